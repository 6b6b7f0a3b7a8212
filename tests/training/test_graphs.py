"""Which trials use CUDA graphs; what the graphs compute is tested in test_gpu.py."""

import pytest

from pipeline.settings.schema import MachineConfig, RecipeConfig
from pipeline.training.graphs import usable


@pytest.mark.parametrize(
    ("device", "compiled", "micro_batch", "expected"),
    [
        ("cuda", False, None, True),
        ("cpu", False, None, False),
        ("cuda", True, None, False),
        ("cuda", False, 4, False),
    ],
)
def test_graphs_are_used_for_whole_batches_on_cuda(device, compiled, micro_batch, expected):
    machine = MachineConfig(device=device, compile=compiled)
    recipe = RecipeConfig(name="r", epochs=1, batch_size=8, micro_batch=micro_batch)
    assert usable(machine, recipe) is expected
