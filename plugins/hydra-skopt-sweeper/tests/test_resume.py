"""A sweep that ended early goes on as if it had not."""

import signal
from pathlib import Path
from typing import Any

import pytest
from hydra_skopt_sweeper.errors import StopSweep, SweepError
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
    assert {f.name for f in folder.iterdir() if f.is_file()} - {".sweep.lock"} == {
        "multirun.yaml",
        "optimization_results.yaml",
        "sweep.csv",
    }


@pytest.mark.parametrize("line", [[], ["lr"]])
@pytest.mark.parametrize("length", [1, 5, 9])
def test_a_sweep_made_longer_is_the_long_sweep(
    tmp_path: Path, length: int, line: list[str]
) -> None:
    options: dict[str, Any] = {"surrogate": "gp", "batch_size": 2, "n_initial": 4, "line": line}
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
        ({"params": PARAMS | {"lr": "0.003,0.001"}}, [], "space.lr"),
        (
            {"params": PARAMS | {"lr": "tag(nominal, choice(0.1, 0.03, 0.01, 0.003, 0.001))"}},
            [],
            "space.lr",
        ),
        ({}, ["decay=0.0001"], "space.decay"),
        ({}, ["+width=3"], "overrides.width"),
        ({}, ["~mixup"], "space.mixup"),
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


def test_a_job_that_stopped_within_a_batch_leaves_no_gap_in_the_trials(tmp_path: Path) -> None:
    calls: list[float] = []

    def task(cfg: Any) -> float:
        calls.append(cfg.lr)
        if len(calls) == 2:
            raise StopSweep("time is over")
        return float(cfg.lr)

    options = {"batch_size": 3, "n_trials": 6}
    sweep_here(tmp_path, task, **options)
    kept = read_rows(tmp_path)
    assert [(row["trial"], row["job"]) for row in kept] == [("0", "0"), ("1", "2")]
    sweep_here(tmp_path, task, **options, resume=True)
    rows = read_rows(tmp_path)
    assert rows[:2] == kept
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    assert [row["dir"] for row in rows] == ["0", "2", "3", "4", "5", "6"]


def test_failures_at_the_end_are_tried_again(tmp_path: Path) -> None:
    values = iter([0.5, float("nan"), 0.6, float("nan"), float("nan"), 0.7, 0.8])
    with pytest.raises(SweepError, match="2 trials in a row failed"):
        sweep_here(tmp_path, lambda _: next(values), max_consecutive_failures=2)
    options = {"n_trials": 5, "allowed_failures": 1, "resume": True}
    sweep_here(tmp_path, lambda _: next(values), **options)
    assert [row["objective"] for row in read_rows(tmp_path)] == ["0.5", "", "0.6", "0.7", "0.8"]


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.csv").write_text("lr,objective\n0.1,0.5\n")
    with pytest.raises(SweepError, match=r"optimization_results\.yaml cannot be read"):
        sweep_here(tmp_path, never, resume=True)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_table_decides_what_was_tried(tmp_path: Path, batch_size: int) -> None:
    """Whatever this version of the sweeper would have proposed in its place."""
    options = {"batch_size": batch_size, "n_initial": 3, "surrogate": "gp"}
    sweep_here(tmp_path, lambda cfg: cfg.lr, n_trials=4, **options)
    table = tmp_path / "sweep.csv"
    swapped = {"True": "False", "False": "True"}
    lines = table.read_text().splitlines()
    edited = [
        line.rpartition(",")[0] + "," + swapped[line.rpartition(",")[2]] for line in lines[1:]
    ]
    table.write_text("\n".join([lines[0], *edited]) + "\n")
    sweep_here(tmp_path, lambda cfg: cfg.lr, n_trials=8, resume=True, **options)
    assert table.read_text().splitlines()[1:5] == edited
    rows = read_rows(tmp_path)
    assert len(rows) == len({(row["lr"], row["decay"], row["mixup"]) for row in rows}) == 8


@pytest.mark.parametrize(
    ("params", "arguments"),
    [
        (dict(reversed(PARAMS.items())), ["+width=[1,2]", "+name='a b'"]),
        (PARAMS | {"lr": "choice(1e-1,3e-2, 1e-2, 0.003,0.001)"}, ["+name='a b'", "+width=[1, 2]"]),
        (
            {"lr": PARAMS["lr"]},
            ["mixup=true,false", "++decay=0.001,1e-4,0.00001", "+name='a b'", "+width=[1,2]"],
        ),
    ],
)
def test_resume_compares_what_is_meant(
    tmp_path: Path, params: dict[str, str], arguments: list[str]
) -> None:
    first = ["+name='a b'", "+width=[1,2]"]
    options = {"surrogate": "gp", "initial_points": [{"lr": 0.1, "decay": 1e-3, "mixup": True}]}
    sweep_here(tmp_path / "long", lambda cfg: cfg.lr, first, n_trials=6, **options)
    sweep_here(tmp_path / "grown", lambda cfg: cfg.lr, first, n_trials=4, **options)
    before = (tmp_path / "grown/sweep.csv").read_text()
    options |= {"params": params, "resume": True}
    sweep_here(tmp_path / "grown", lambda cfg: cfg.lr, arguments, n_trials=6, **options)
    assert (tmp_path / "grown/sweep.csv").read_text().startswith(before)
    assert [float(row["lr"]) for row in read_rows(tmp_path / "grown")] == [
        float(row["lr"]) for row in read_rows(tmp_path / "long")
    ]


def test_a_fixed_value_may_change_where_the_user_says_so(tmp_path: Path) -> None:
    sweep_here(tmp_path, lambda _: 0.5, ["+pause=1"], n_trials=2)
    with pytest.raises(
        SweepError, match=r"overrides\.pause was 1 and is 0.*resume_ignoring=\[pause"
    ):
        sweep_here(tmp_path, never, ["+pause=0"], n_trials=3, resume=True)
    options = {"resume": True, "resume_ignoring": ["pause"]}
    sweep_here(tmp_path, lambda _: 0.5, ["+pause=0"], n_trials=3, **options)
    assert len(read_rows(tmp_path)) == 3


def test_the_error_of_an_earlier_attempt_goes_with_it(tmp_path: Path) -> None:
    values = iter([float("nan"), 0.5])
    with pytest.raises(SweepError, match="1 of 1 trials failed"):
        sweep_here(tmp_path, lambda _: next(values), n_trials=1)
    assert (tmp_path / "0/error.txt").exists()
    sweep_here(tmp_path, lambda _: next(values), n_trials=1, resume=True)
    assert not (tmp_path / "0/error.txt").exists()
    assert [row["error"] for row in read_rows(tmp_path)] == [""]


def test_without_resume_a_record_stays_as_it_is(tmp_path: Path) -> None:
    sweep_here(tmp_path, lambda _: 0.5, n_trials=3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(
        SweepError, match=r"hydra\.sweeper\.resume=true\).*hydra\.sweep\.dir="
    ) as refused:
        sweep_here(tmp_path, never, n_trials=2)
    assert str(tmp_path / "sweep.csv") in str(refused.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_the_result_of_another_sweeper_stays_as_it_is(tmp_path: Path) -> None:
    results = tmp_path / "optimization_results.yaml"
    results.write_text("name: optuna\nbest_value: 3\n")
    with pytest.raises(SweepError, match="holds the record of another sweep"):
        sweep_here(tmp_path, never)
    assert results.read_text() == "name: optuna\nbest_value: 3\n"


def test_a_sweep_that_ended_before_its_first_trial_is_no_record(tmp_path: Path) -> None:
    def broken(_: Any) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_here(tmp_path, broken)
    sweep_here(tmp_path, lambda _: 0.5, n_trials=2)
    assert len(read_rows(tmp_path)) == 2


def test_one_sweep_at_a_time_in_a_directory(tmp_path: Path) -> None:
    def second(_: Any) -> float:
        with pytest.raises(SweepError, match=f"another sweep is running in {tmp_path}"):
            sweep_here(tmp_path, never, resume=True)
        return 0.5

    sweep_here(tmp_path, second, n_trials=2)
    assert len(read_rows(tmp_path)) == 2
