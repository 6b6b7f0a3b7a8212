"""What only an accelerator can show: equal bytes and numbers, no waits, memory that runs out."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.optimizer import register_optimizer_step_post_hook

from pipeline.base.errors import UserError
from pipeline.planning.timing import measure
from pipeline.training import cropping, graphs, trial
from pipeline.training.augment import random_window
from pipeline.training.cropping import DeviceCropper, HostCropper, cropper
from pipeline.training.data import EVALUATION_BATCH
from pipeline.training.devices import resolve_precision
from pipeline.training.graphs import forget, record

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from accelerator import Bench
from without_mlflow import configuration, noise

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


@pytest.mark.parametrize("precision", ["float32", "auto", "fp16"])
def test_graphs_change_no_bit_of_a_trial(tmp_path, monkeypatch, precision):
    made = bench(tmp_path, precision=precision)
    made.manifest, made.store = noise(tmp_path, STEPS * made.batch, EVALUATION_BATCH + 6, 72)
    with_graphs = made.run("with", "device")
    monkeypatch.setattr(trial, "usable", lambda *_: False)
    assert with_graphs.curve == made.run("without", "device").curve


class ReadInBackward(torch.autograd.Function):
    """Reads a value of the gradient back to the host."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        assert float(gradient.sum()) < 1e9
        return gradient


class Small(nn.Sequential):
    """A network with batch norm and dropout; it reads from the device in the pass ``reads``."""

    def __init__(self, reads: str = "") -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Dropout(), nn.Linear(8 * 36, 5)
        )
        self.reads = reads

    def forward(self, images):
        if self.reads == ("training" if self.training else "evaluation"):
            assert float(images.sum()) < 1e9
        logits = super().forward(images)
        return ReadInBackward.apply(logits) if self.reads == "backward" else logits


def images(number):
    return torch.rand(number, 3, 8, 8, device=DEVICE).to(memory_format=torch.channels_last)


def gradients(network):
    """Take three steps in training and evaluate two batches; return all that was computed."""
    found = []
    network.train()
    for step in range(3):
        torch.manual_seed(step)
        network.zero_grad()
        cross_entropy(network(images(16)), torch.arange(16, device=DEVICE) % 5).backward()
        found += [parameter.grad.clone() for parameter in network.parameters()]
    network.eval()
    with torch.inference_mode():
        for number in (EVALUATION_BATCH, 7):
            found += [network(images(number)) for _ in range(2)]
    return [*found, *(buffer.clone() for buffer in network.buffers())]


def test_graphs_change_no_dropout_and_no_statistics():
    torch.manual_seed(0)
    network = Small().to(DEVICE)
    other = copy.deepcopy(network)
    record(network, 16, 8, "float32")
    assert "forward" in vars(network)
    both = zip(gradients(network), gradients(other), strict=True)
    assert [number for number, (one, an) in enumerate(both) if not torch.equal(one, an)] == []
    forget(network)
    assert "forward" not in vars(network)


@pytest.mark.parametrize("reads", ["training", "backward", "evaluation"])
def test_a_network_that_reads_from_the_device_is_trained_without_graphs(reads, capsys):
    graphs._say_once.cache_clear()
    network = Small(reads).to(DEVICE)
    before, stream = copy.deepcopy(network), torch.cuda.current_stream()
    record(network, 16, 8, "float32")
    assert "no CUDA graph of this network" in capsys.readouterr().err
    assert torch.cuda.current_stream() == stream
    both = zip(gradients(network), gradients(before), strict=True)
    assert all(torch.equal(one, another) for one, another in both)


def test_trials_release_the_memory_of_their_graphs(tmp_path):
    made, taken = bench(tmp_path), []
    for name in "abc":
        made.run(name, "device")
        (tmp_path / f"{name}.ckpt").unlink(missing_ok=True)
        torch.cuda.empty_cache()
        taken.append(torch.cuda.memory_reserved())
    assert taken[2] <= taken[0]
