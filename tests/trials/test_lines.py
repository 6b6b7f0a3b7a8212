"""What a person sees of a trial in the terminal, and the names of runs."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.settings.point import Point
from pipeline.settings.schema import Config
from pipeline.trials import lines
from pipeline.trials.contract import Trial, TrialResult
from pipeline.trials.lines import end_line, refit_line, run_name, trial_line

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POINT = Point(lr=0.1, l2_decay=0.0001, label_smoothing=False, mixup=True)


@pytest.fixture
def cfg(project: Any) -> Config:
    composed: Config = project.compose()
    return composed


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep that began 100 seconds ago, by a clock that stands still."""
    monkeypatch.setattr(lines, "time", SimpleNamespace(time=NOW.timestamp))
    begun = tmp_path / "multirun.yaml"
    begun.touch()
    os.utime(begun, (NOW.timestamp() - 100,) * 2)
    return tmp_path


def trial(number: int, objective: float | None = 0.5, *, ago: float = 0.0) -> Trial:
    """A trial that was trained ``ago`` seconds ago; a failed one without ``objective``."""
    if objective is None:
        return Trial(number=number, point=POINT, seed=7, error="no memory")
    facts = {"train_loss": 1.0, "curve": [], "identity": {}, "host": "", "device": "cpu"}
    facts |= {"hardware": "", "threads": 1, "seconds": 12.34, "fit_seconds": 12.0, "epoch": 3}
    result = TrialResult.model_validate(
        {
            **facts,
            "status": "finished",
            "objective": objective,
            "metrics": {"loss": 1.0, "top1": objective},
            "finished": NOW - timedelta(seconds=ago),
        }
    )
    return Trial(number=number, point=POINT, seed=7, result=result)


def test_names_of_runs_begin_with_what_differs() -> None:
    assert run_name(7, POINT) == "trial 07 · lr 0.1 · l2_decay 0.0001 · mixup"


def test_a_line_says_result_time_best_rest_and_point(cfg: Config, sweep: Path) -> None:
    so_far = [trial(0, 0.75), trial(1)]
    line = trial_line(so_far[1], cfg, 12, sweep, so_far, replayed=False)
    assert line == (
        "trial 01   2 of 12 done  val top-1 0.5000       12.3 s  best 0.7500  "
        "up to 8.3 minutes left  lr 0.1 · l2_decay 0.0001 · mixup"
    )


def test_the_time_left_counts_no_replayed_trial(cfg: Config, sweep: Path) -> None:
    replayed, trained = trial(0, ago=3600), trial(1)
    first = trial_line(replayed, cfg, 4, sweep, [replayed], replayed=True)
    assert " replayed " in first
    assert "left" not in first
    assert "up to 3.3 minutes left" in trial_line(
        trained, cfg, 4, sweep, [replayed, trained], replayed=False
    )


def test_the_last_line_has_no_time_left_and_a_failure_its_reason(cfg: Config, sweep: Path) -> None:
    line = trial_line(trial(0, None), cfg, 1, sweep, [trial(0, None)], replayed=False)
    assert "left" not in line
    assert line.endswith("mixup: no memory")
    assert "val top-1 failed" in line


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_line_breaks_between_its_parts(cfg: Config, sweep: Path) -> None:
    so_far = [trial(0, 0.75), trial(1)]
    assert trial_line(so_far[1], cfg, 12, sweep, so_far, replayed=False).splitlines() == [
        "trial 01   2 of 12 done  val top-1 0.5000       12.3 s  best 0.7500",
        "          up to 8.3 minutes left  lr 0.1 · l2_decay 0.0001 · mixup",
    ]
    chosen = end_line(sweep, so_far[0], so_far)
    assert chosen == "2 trials; chosen: trial 00, lr 0.1 · l2_decay 0.0001 · mixup"


@pytest.mark.usefixtures("terminal")
def test_a_part_that_fits_nowhere_has_its_own_line(cfg: Config, sweep: Path) -> None:
    failed = Trial(number=0, point=POINT, seed=7, error="no memory " * 12)
    *_, last = trial_line(failed, cfg, 1, sweep, [failed], replayed=False).splitlines()
    assert last == f"{' ' * 10}{POINT.brief}: {'no memory ' * 12}".rstrip()


def test_the_end_says_why_and_what_was_chosen(sweep: Path) -> None:
    chosen = "chosen: trial 03, lr 0.1 · l2_decay 0.0001 · mixup"
    trials = [trial(2, None), trial(3)]
    assert end_line(sweep, trials[1], trials) == f"2 trials; failed: trial 02; {chosen}"
    (sweep / "optimization_results.yaml").write_text("stop_reason: no gain in 10 trials\n")
    assert end_line(sweep, trials[1], trials[1:]) == f"no gain in 10 trials; {chosen}"


def test_a_refit_has_a_line_of_the_same_form(cfg: Config) -> None:
    result = trial(0, 0.9).result
    assert result is not None
    line = refit_line(cfg, result, replayed=False)
    assert re.match(r"refit seed 7  test top-1 0\.9000     12\.3 s  lr ", line)
