"""The benchmark of accelerators runs on a processor, and finds equal numbers there."""

import math

import pytest

from accelerator import PARTS, Bench, measure
from concurrent_trials import Load, best, rate
from without_mlflow import configuration


@pytest.mark.slow
def test_every_way_is_measured_and_gives_equal_numbers(tmp_path):
    bench = Bench(configuration(32, 4, 2, "test_resnet"), tmp_path, "cpu", "float32", steps=4)
    figures = measure(bench, PARTS)
    rates = [figures[name] for name in ("floor", "trial", "trial_host_crops", "stock")]
    rates += [figures["floors"]["float32"], figures["compile"]["per_second"]]
    assert all(rate > 0 and math.isfinite(rate) for rate in rates)
    assert figures["floors"]["tf32"] is figures["floors"]["fp16"] is None
    assert figures["compile"]["seconds"] > 0
    assert all(way["equal"] for way in figures["crops"].values())
    assert figures["equal"] == {
        "two runs": True,
        "a resumed run": True,
        "crops on the host": True,
    }


@pytest.mark.slow
def test_trials_at_once_share_the_processor():
    load = Load(configuration(32, 4, 1, "test_resnet"), "cpu", "float32", steps=4)
    assert rate(load, 2) > 0


def test_more_trials_at_once_are_best_only_if_they_gain_a_twentieth():
    assert best({1: 100.0, 2: 104.0, 4: 90.0}) == 1
    assert best({1: 100.0, 2: 150.0, 4: 157.0}) == 2
    assert best({1: 100.0, 2: 150.0, 4: 200.0}) == 4
