"""The benchmark of accelerators runs on a processor, and finds equal numbers there."""

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from accelerator import Bench, measure
from without_mlflow import configuration


@pytest.mark.slow
def test_every_way_is_measured_and_gives_equal_numbers(tmp_path):
    cfg = configuration(32, 4, epochs=2)
    small = cfg.model.model_copy(update={"arch": "test_resnet"})
    bench = Bench(cfg.model_copy(update={"model": small}), tmp_path, "cpu", "float32", steps=4)
    figures = measure(bench, ["trial", "stock", "crops", "equal"])
    rates = [figures[name] for name in ("floor", "trial", "trial_host_crops", "stock")]
    assert all(rate > 0 and math.isfinite(rate) for rate in rates)
    assert all(way["equal"] for way in figures["crops"].values())
    assert figures["equal"] == {
        "two runs": True,
        "a resumed run": True,
        "crops on the host": True,
    }
