"""What only an accelerator can show: equal bytes and numbers, no waits, memory that runs out."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from pipeline.base.errors import UserError
from pipeline.planning.timing import measure
from pipeline.training import cropping
from pipeline.training.augment import random_window
from pipeline.training.cropping import DeviceCropper, HostCropper, cropper
from pipeline.training.devices import resolve_precision

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from accelerator import Bench
from without_mlflow import configuration

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


DEVICE = "cuda"
STEPS = 6


def bench(folder, size=64, batch=32, precision="auto", arch="resnet50d"):
    cfg = configuration(size, batch, 2, arch)
    return Bench(cfg, folder, DEVICE, resolve_precision(precision, DEVICE), STEPS)


@pytest.mark.parametrize("resize", ["antialias", "opencv"])
@pytest.mark.parametrize("size", [64, 224])
def test_crops_have_the_bytes_of_the_host(tmp_path, size, resize):
    made = bench(tmp_path, size)
    recipe = made.cfg.recipe.model_copy(update={"resize": resize})
    rows, rng = np.arange(made.batch), np.random.default_rng(0)
    windows = [random_window(*made.store.size(row), recipe, rng) for row in rows]
    expected = HostCropper(made.store, recipe).crops(rows, windows)
    resident = cropper(made.store, recipe, "device", DEVICE)
    packed = DeviceCropper(made.store, recipe, torch.device(DEVICE), None)
    for way in (resident, packed):
        assert torch.equal(way.crops(rows, windows).cpu(), expected)


@pytest.mark.parametrize("precision", ["float32", "auto", "fp16"])
def test_two_runs_a_resumed_one_and_crops_on_the_host_are_equal(tmp_path, precision):
    made = bench(tmp_path, precision=precision)
    assert all(made.repeats().values())
    assert len(made.run("whole", "device").curve) == 2


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("precision", ["float32", "auto", "fp16"])
def test_no_step_waits_for_the_device(tmp_path, monkeypatch, precision, resident):
    """From the end of the second step to the end of the last one of the first epoch."""
    if not resident:
        monkeypatch.setattr(cropping, "SHARE", 1e15)
    cropping._kept.clear()
    made, steps = bench(tmp_path, precision=precision), []

    def stepped(*_):
        steps.append(None)
        if len(steps) in (2, STEPS):
            torch.cuda.set_sync_debug_mode("error" if len(steps) == 2 else "default")

    handle = register_optimizer_step_post_hook(stepped)
    try:
        made.run("steps", "device")
    finally:
        handle.remove()
        torch.cuda.set_sync_debug_mode("default")
    assert len(steps) == 2 * STEPS
    assert bool(cropping._kept) == resident


def test_out_of_memory_is_explained_and_survived(tmp_path):
    """With 1 % of the card, which a store of 0.8 GB does not fit into either."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.01)
    try:
        with pytest.raises(UserError, match="out of memory on cuda: 512 images of 64 px"):
            bench(tmp_path, batch=512).run("full", "device")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert bench(tmp_path).run("again", "device").status == "finished"


def test_a_compiled_trial_repeats(tmp_path):
    made = bench(tmp_path, arch="resnet18")
    machine = made.cfg.machine.model_copy(update={"compile": True})
    made.cfg = made.cfg.model_copy(update={"machine": machine})
    assert all(made.repeats().values())


def test_plan_starts_cuda_in_another_process():
    before = torch.cuda.mem_get_info()[0]
    speed = measure(configuration(64, 32, 2))
    assert speed.device == DEVICE
    assert min(speed.train, speed.evaluate, speed.memory) > 0
    assert torch.cuda.mem_get_info()[0] >= before - 2**26
