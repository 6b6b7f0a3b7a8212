"""A measured speed: of compiled steps too, and in a process of its own on an accelerator."""

import os
from pathlib import Path

import pytest

from pipeline.planning import timing
from pipeline.planning.timing import Compiling, measure
from pipeline.settings.compose import compose

QUICKSTART = Path(__file__).parents[2] / "quickstart"
SMALL = ["model.arch=test_resnet", "machine.threads=1", "machine.device=cpu"]


def test_compiling_pays_after_the_steps_that_save_its_time():
    assert "saves 0.02 s a step: it pays from 3,000 steps in a process" in str(Compiling(60, 0.02))
    assert "makes no step shorter" in str(Compiling(60, -0.1))


def test_a_step_that_other_programs_slow_down_does_not_count(monkeypatch):
    seconds = iter([9.0, 2.0, 5.0, 3.0, 0.5, 4.0])  # of three steps and three evaluations

    def timed(work, _device):
        work()
        return next(seconds)

    monkeypatch.setattr(timing, "_seconds", timed)
    cfg = compose(QUICKSTART, [*SMALL, "recipe.batch_size=4"])
    speed = measure(cfg)
    assert (speed.train, speed.evaluate) == (2.0 / 4, 0.5 / 4)


@pytest.mark.slow
def test_compiling_is_timed_only_where_it_is_set():
    assert measure(compose(QUICKSTART, SMALL)).compiling is None
    compiling = measure(compose(QUICKSTART, [*SMALL, "machine.compile=true"])).compiling
    assert compiling is not None
    assert compiling.seconds > abs(compiling.gain)


@pytest.mark.slow
def test_cuda_is_started_in_another_process(monkeypatch):
    monkeypatch.setattr(timing, "resolve_device", lambda _: "cuda")
    monkeypatch.setattr(timing, "_measured", process)
    assert measure(compose(QUICKSTART, SMALL)) == os.getpid()


def process(_cfg):
    return os.getppid()
