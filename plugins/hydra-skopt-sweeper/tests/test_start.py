"""What a sweep does with values, failures and options, without Hydra's composing."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra_skopt_sweeper.errors import SweepError
from sweeping import read_results, read_rows, sweep_here


def accuracy(cfg: Any) -> float:
    """Best at lr=0.01, decay=0.0001, mixup=true."""
    near = (math.log10(cfg.lr) + 2) ** 2 + (math.log10(cfg.decay) + 4) ** 2
    return 0.9 - 0.02 * near + 0.01 * cfg.mixup


def never(_: Any) -> float:
    pytest.fail("a job ran")


def fails_in(*jobs: int, value: float | None = None) -> Callable[[Any], float]:
    """A task whose runs with these numbers raise, or return `value`."""
    numbers = iter(range(1000))

    def task(cfg: Any) -> float:
        if next(numbers) in jobs:
            if value is None:
                raise RuntimeError("out of memory")
            return value
        return accuracy(cfg)

    return task


def points(folder: Path) -> list[tuple[str, str, str]]:
    return [(row["lr"], row["decay"], row["mixup"]) for row in read_rows(folder)]


def test_the_best_trial_is_reported_with_typed_values(tmp_path: Path) -> None:
    sweep_here(tmp_path, accuracy, n_trials=100)
    results = read_results(tmp_path)
    assert results["best_params"] == {"lr": 0.01, "decay": 0.0001, "mixup": True}
    assert results["best_value"] == max(float(row["objective"]) for row in read_rows(tmp_path))
    assert points(tmp_path)[results["best_trial"]] == ("0.01", "0.0001", "True")
    assert results["stop_reason"] == "all 30 points evaluated"


def test_predictions_have_the_sign_of_the_objective(tmp_path: Path) -> None:
    options = {"direction": "minimize", "surrogate": "gp", "n_trials": 8}
    sweep_here(tmp_path, lambda cfg: 1 - accuracy(cfg), **options)
    rows = read_rows(tmp_path)
    assert read_results(tmp_path)["best_value"] == min(float(row["objective"]) for row in rows)
    assert all(0 < float(row["predicted_mean"]) < 0.5 for row in rows[6:])


@pytest.mark.parametrize(
    "returned", [np.float32(0.5), np.int64(1), np.array(0.5), np.array([0.5]), 1]
)
def test_numpy_scalars_stop_at_the_door(tmp_path: Path, returned: Any) -> None:
    seen: set[type] = set()

    def task(cfg: Any) -> Any:
        seen.update([type(cfg.lr), type(cfg.width), type(cfg.depth)])
        return returned

    intervals = ["+width=interval(0.5,2)", "+depth=tag(log,int(interval(2,9)))"]
    sweep_here(tmp_path, task, intervals, surrogate="gp", n_trials=4, n_initial=3)
    assert seen == {float, int}
    assert read_results(tmp_path)["best_value"] == np.asarray(returned).item()


@pytest.mark.parametrize("returned", [None, "0.9", True, [0.9], np.array([0.1, 0.2])])
def test_a_result_that_is_no_number_fails_its_trial_and_keeps_the_others(
    tmp_path: Path, returned: Any
) -> None:
    results = iter([0.5, returned, 0.7, 0.8])
    with pytest.raises(SweepError, match="1 of 4 trials failed"):
        sweep_here(tmp_path, lambda _: next(results), n_trials=4, batch_size=4)
    rows = read_rows(tmp_path)
    assert [row["objective"] for row in rows] == ["0.5", "", "0.7", "0.8"]
    assert "must return the objective, one number" in rows[1]["error"]
    assert rows[1]["error"] in (tmp_path / "1/error.txt").read_text()


def test_the_first_batch_is_a_design_of_its_size(tmp_path: Path) -> None:
    sweep_here(tmp_path, accuracy, surrogate="gp", n_trials=7, batch_size=6)
    assert [row["kind"] for row in read_rows(tmp_path)] == ["initial"] * 6 + ["model"]


@pytest.mark.parametrize("params", [{"lr": [0.1, 0.2]}, {"lr": None}, 3])
def test_params_that_are_no_sweeps_are_refused(tmp_path: Path, params: Any) -> None:
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.params"):
        sweep_here(tmp_path / "sweep", never, params=params)
    assert not (tmp_path / "sweep").exists()


def test_repeats_are_averaged_and_numbered(tmp_path: Path) -> None:
    options = {"repeats": 3, "repeat_key": "+seed", "n_trials": 3, "batch_size": 2}
    batches = sweep_here(tmp_path, lambda cfg: float(cfg.seed), **options)
    rows = read_rows(tmp_path)
    assert [(row["trial"], row["job"], row["dir"]) for row in rows] == [
        ("0", "0", "0"),
        ("1", "3", "3"),
        ("2", "6", "6"),
    ]
    assert [(row["objective"], row["spread"]) for row in rows] == [("1.0", "1.0")] * 3
    assert [len(batch) for batch in batches] == [6, 3]


@pytest.mark.parametrize(
    ("rule", "n_trials", "reason"),
    [
        ({"target": 0.88}, 2, "target 0.88 reached"),
        ({"patience": 3}, 5, "no gain in 3 trials"),
        ({"patience": 3, "min_delta": 0.3}, 4, "no gain above 0.3 in 3 trials"),
        ({"max_seconds": 0.0}, 1, "0.0 seconds passed"),
        ({"n_trials": 6}, 6, "6 trials made"),
    ],
)
def test_sweeps_stop_early(tmp_path: Path, rule: Any, n_trials: int, reason: str) -> None:
    values = iter([0.7, 0.9, 0.8, 0.9, 0.85, 0.99])
    sweep_here(tmp_path, lambda _: next(values), **rule)
    results = read_results(tmp_path)
    assert (results["n_trials"], results["stop_reason"]) == (n_trials, reason)


def test_warm_start_tries_the_points_with_the_best_mean_rank(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(
        "lr,decay,mixup,objective\n"
        "0.1,0.001,true,0.1\n0.01,1e-4,false,0.3\n0.001,0.00001,false,0.2\n7,7,true,0.9\n"
    )
    second.write_text(
        "lr,decay,mixup,objective\n0.1,0.001,true,70\n0.01,0.0001,false,90\n0.03,0.001,true,\n"
    )
    sweep_here(
        tmp_path / "sweep",
        accuracy,
        initial_points=[{"lr": 0.003, "decay": 0.0001, "mixup": False}],
        warm_start=[str(first), str(second)],
        warm_start_points=2,
    )
    assert points(tmp_path / "sweep")[:3] == [
        ("0.003", "0.0001", "False"),
        ("0.01", "0.0001", "False"),
        ("0.001", "1e-05", "False"),
    ]


def test_a_sweep_warm_starts_from_another_ones_table(tmp_path: Path) -> None:
    sweep_here(tmp_path / "a", accuracy, n_trials=100)
    table = [str(tmp_path / "a/sweep.csv")]
    sweep_here(tmp_path / "b", accuracy, warm_start=table, n_trials=1)
    assert points(tmp_path / "b") == [("0.01", "0.0001", "True")]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("lr,decay,objective\n0.1,0.001,0.5\n", "no column mixup"),
        ("", "no column objective"),
        ("lr,decay,mixup,objective\n0.5,0.001,true,0.5\n", "no trial of .* lies in the space"),
    ],
)
def test_a_useless_warm_start_is_refused(tmp_path: Path, content: str, error: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(content)
    with pytest.raises(SweepError, match=error):
        sweep_here(tmp_path / "sweep", never, warm_start=[str(table)])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"direction": "up"}, "direction is 'up'; choose minimize or maximize"),
        ({"surrogate": "forest"}, "choose gp or random"),
        ({"n_trials": 0}, "n_trials is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1"),
        ({"min_delta": math.nan}, "min_delta is nan"),
        ({"target": math.nan}, "target is nan"),
        ({"repeats": 2}, "repeat_key"),
        ({"repeats": 2, "repeat_key": "lr"}, "lr, which is swept"),
        ({"initial_points": [{"lr": 0.1}]}, "no value for decay"),
        ({"warm_start": ["nowhere.csv"]}, "cannot read nowhere.csv"),
        ({"line": ["decoy"]}, "line names decoy, which is not swept; swept are lr, decay, mixup"),
        ({"line": ["lr", "lr"]}, "line names lr more than once"),
        ({"params": {"lr": "interval(0, 1)"}, "line": ["lr"]}, "list of numbers that rise or fall"),
        ({"params": {"lr": "a,b,c"}, "line": ["lr"]}, "but lr is a,b,c"),
        ({"params": {"lr": "tag(odd,choice(1,2))"}}, "tag 'odd'"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(
    tmp_path: Path, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(SweepError, match=error):
        sweep_here(tmp_path / "sweep", never, **options)
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("policy", ["impute", "skip"])
def test_a_failed_trial_does_not_end_the_sweep_but_its_success(
    tmp_path: Path, policy: str, value: float | None
) -> None:
    task = fails_in(1, 5, value=value)
    with pytest.raises(SweepError, match="2 of 8 trials failed"):
        sweep_here(tmp_path, task, surrogate="gp", on_failure=policy, n_trials=8)
    rows = read_rows(tmp_path)
    why = (tmp_path / "5/error.txt").read_text()
    assert [row["trial"] for row in rows if row["status"] == "failed"] == ["1", "5"]
    assert rows[5]["objective"] == ""
    reason = "out of memory" if value is None else f"the objective is {value}"
    assert reason in why
    assert [row["error"] for row in rows if row["error"]] == [reason, reason]
    assert read_results(tmp_path)["n_failed"] == 2


@pytest.mark.parametrize("allowed", [2, None])
def test_failures_within_the_allowance_are_no_error(tmp_path: Path, allowed: int | None) -> None:
    sweep_here(tmp_path, fails_in(1, 5), allowed_failures=allowed)
    assert read_results(tmp_path)["n_failed"] == 2


@pytest.mark.parametrize(("value", "error"), [(None, RuntimeError), (math.nan, ArithmeticError)])
def test_raise_ends_the_sweep_with_the_jobs_own_error(
    tmp_path: Path, value: float | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        sweep_here(tmp_path, fails_in(2, value=value), on_failure="raise")
    assert len(read_rows(tmp_path)) == 3
    assert read_results(tmp_path)["stop_reason"] == f"ended by {error.__name__}"


def test_failures_in_a_row_end_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="3 trials in a row failed"):
        sweep_here(tmp_path, fails_in(1, 3, 4, 5), allowed_failures=None)
    assert len(read_rows(tmp_path)) == 6


def test_one_failed_repeat_fails_the_trial(tmp_path: Path) -> None:
    options = {"repeats": 2, "repeat_key": "+seed", "n_trials": 3, "allowed_failures": 1}
    sweep_here(tmp_path, fails_in(3), **options)
    rows = read_rows(tmp_path)
    assert [row["status"] for row in rows] == ["finished", "failed", "finished"]
    assert rows[1]["dir"] == "3"
