"""A sweep that ended early goes on as if it had not."""

import signal
from pathlib import Path
from typing import Any

import pytest
from hydra_skopt_sweeper.errors import SweepError
from sweeping import PARAMS, read_results, read_rows, run_app, sweep_here, timeless

RESUME = "hydra.sweeper.resume=true"
BATCHES = "hydra.sweeper.batch_size=2"


def never(_: Any) -> float:
    pytest.fail("a job ran")


@pytest.mark.slow
def test_killed_and_resumed_equals_undisturbed(tmp_path: Path) -> None:
    assert run_app(tmp_path / "whole", BATCHES).returncode == 0
    whole = tmp_path / "whole"
    folder = tmp_path / "sweep"
    killed = run_app(folder, BATCHES, DIE_IN="5", DIE_BY="SIGKILL")
    assert killed.returncode == -signal.SIGKILL
    kept = read_rows(folder)
    assert len(kept) == 4
    resumed = run_app(folder, BATCHES, RESUME)
    assert resumed.returncode == 0
    assert resumed.stdout.count("Launching") == 3
    assert read_rows(folder)[:4] == kept
    assert timeless(read_rows(folder)) == timeless(read_rows(whole))
    assert read_results(folder) == read_results(whole)


def test_ctrl_c_leaves_whole_files_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    assert run_app(folder, BATCHES, DIE_IN="3", DIE_BY="SIGINT").returncode != 0
    assert [row["trial"] for row in read_rows(folder)] == ["0", "1"]
    results = read_results(folder)
    assert (results["n_trials"], results["stop_reason"]) == (2, "ended by KeyboardInterrupt")
    assert {f.name for f in folder.iterdir() if f.is_file()} == {
        "multirun.yaml",
        "optimization_results.yaml",
        "sweep.csv",
    }


@pytest.mark.parametrize("length", [1, 5, 9])
def test_a_sweep_made_longer_is_the_long_sweep(tmp_path: Path, length: int) -> None:
    options = {"surrogate": "gp", "batch_size": 2, "n_initial": 4}
    sweep_here(tmp_path / "long", lambda cfg: cfg.lr, n_trials=9, **options)
    sweep_here(tmp_path / "grown", lambda cfg: cfg.lr, n_trials=length, **options)
    batches = sweep_here(tmp_path / "grown", lambda cfg: cfg.lr, n_trials=9, resume=True, **options)
    assert sum(map(len, batches)) == 9 - length
    assert timeless(read_rows(tmp_path / "grown")) == timeless(read_rows(tmp_path / "long"))


@pytest.mark.parametrize(
    ("changed", "arguments", "field"),
    [
        ({"seed": 1}, [], "seed"),
        ({"direction": "minimize"}, [], "direction"),
        ({"params": PARAMS | {"lr": "0.003,0.001"}}, [], "space"),
        ({}, ["decay=0.0001"], "space"),
        ({}, ["+width=3"], "overrides"),
        ({"initial_points": [{"lr": 0.1, "decay": 1e-3, "mixup": True}]}, [], "initial_points"),
        ({"batch_size": 3}, [], "batch_size"),
        ({"collapse_at": 0.0}, [], "collapse_at"),
    ],
)
def test_another_search_is_refused_by_the_name_of_the_field(
    tmp_path: Path, changed: dict[str, Any], arguments: list[str], field: str
) -> None:
    sweep_here(tmp_path, lambda _: 0.5, n_trials=2)
    before = read_rows(tmp_path)
    with pytest.raises(SweepError, match=f"cannot resume .*: {field} was"):
        sweep_here(tmp_path, never, arguments, resume=True, n_trials=3, **changed)
    assert read_rows(tmp_path) == before


def test_failures_at_the_end_are_tried_again(tmp_path: Path) -> None:
    values = iter([0.5, float("nan"), 0.6, float("nan"), float("nan"), 0.7, 0.8])
    with pytest.raises(SweepError, match="2 trials in a row failed"):
        sweep_here(tmp_path, lambda _: next(values), max_consecutive_failures=2)
    options = {"n_trials": 5, "allowed_failures": 1, "resume": True}
    sweep_here(tmp_path, lambda _: next(values), **options)
    assert [row["objective"] for row in read_rows(tmp_path)] == ["0.5", "", "0.6", "0.7", "0.8"]


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.csv").write_text("lr,objective\n0.1,0.5\n")
    with pytest.raises(SweepError, match="is not the table of this sweep"):
        sweep_here(tmp_path, never, resume=True)


def test_a_table_with_other_points_is_refused(tmp_path: Path) -> None:
    sweep_here(tmp_path, lambda _: 0.5, n_trials=1)
    table = tmp_path / "sweep.csv"
    other = "True" if "False" in table.read_text() else "False"
    table.write_text(table.read_text().replace("True", other).replace("False", other))
    results = read_results(tmp_path)
    with pytest.raises(SweepError, match="another version of the sweeper"):
        sweep_here(tmp_path, never, n_trials=2, resume=True)
    assert read_results(tmp_path) == results


def test_without_resume_a_sweep_starts_anew(tmp_path: Path) -> None:
    sweep_here(tmp_path, lambda _: 0.5, n_trials=3)
    sweep_here(tmp_path, lambda _: 0.6, n_trials=2)
    assert [row["objective"] for row in read_rows(tmp_path)] == ["0.6", "0.6"]
