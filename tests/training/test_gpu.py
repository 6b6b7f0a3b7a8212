"""What only an accelerator can show: equal bytes and numbers, no waits, memory that runs out."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.base.errors import UserError
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


def bench(folder, size=64, batch=32, precision="auto"):
    cfg = configuration(size, batch, epochs=2)
    return Bench(cfg, folder, "cuda", resolve_precision(precision, "cuda"), steps=6)


@pytest.mark.parametrize("resize", ["antialias", "opencv"])
@pytest.mark.parametrize("size", [64, 224])
def test_crops_have_the_bytes_of_the_host(tmp_path, size, resize):
    made = bench(tmp_path, size)
    recipe = made.cfg.recipe.model_copy(update={"resize": resize})
    rows, rng = np.arange(64), np.random.default_rng(0)
    windows = [random_window(*made.store.size(row), recipe, rng) for row in rows]
    expected = HostCropper(made.store, recipe).crops(rows, windows)
    resident = cropper(made.store, recipe, "device", "cuda")
    packed = DeviceCropper(made.store, recipe, torch.device("cuda"), None)
    for way in (resident, packed):
        assert torch.equal(way.crops(rows, windows).cpu(), expected)


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_two_runs_a_resumed_one_and_crops_on_the_host_are_equal(tmp_path, precision):
    assert all(bench(tmp_path, precision=precision).repeats().values())


def test_a_batch_of_crops_does_not_wait_for_the_device(tmp_path):
    made = bench(tmp_path)
    recipe, rows = made.cfg.recipe, np.arange(32)
    way = cropper(made.store, recipe, "device", "cuda")
    rng = np.random.default_rng(0)
    windows = [random_window(*made.store.size(row), recipe, rng) for row in rows]
    way.crops(rows, windows)
    torch.cuda.set_sync_debug_mode("error")
    try:
        way.crops(rows, windows)
        way.tensor(rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_out_of_memory_is_explained_and_survived(tmp_path):
    torch.cuda.set_per_process_memory_fraction(0.01)
    try:
        with pytest.raises(UserError, match="out of memory on cuda: 512 images of 64 px"):
            bench(tmp_path, batch=512).run("full", "device")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert bench(tmp_path).run("again", "device").status == "finished"
