import numpy as np
import pytest
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hydra_skopt_sweeper.records import Trial
from hydra_skopt_sweeper.rules import stop_reason
from hypothesis import given
from hypothesis import strategies as st

from searchers.comparison import difference, share, stop_rule, trials_to_reach

GAP = np.array([[4.0, 2.0, 2.0, 0.5], [2.0, 1.0, 0.0, 0.0]])


def test_trials_to_reach_a_mean_gap() -> None:
    assert trials_to_reach(GAP, 1.0) == 3
    assert trials_to_reach(GAP, 0.25) == 4
    assert trials_to_reach(GAP, 0.1) is None


def test_the_difference_is_paired_by_seed() -> None:
    interval = difference(GAP, GAP + 1.0, 2)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((-1, -1, -1))
    assert difference(np.vstack([GAP, [9.0] * 4]), GAP + 1.0, 2) == interval


def test_a_share_is_a_ratio_of_means_with_an_interval() -> None:
    exact = share(GAP / 4, GAP, 1)
    assert (exact.mean, exact.low, exact.high) == pytest.approx((0.25, 0.25, 0.25))
    noisy = np.random.default_rng(0).random((200, 1))
    interval = share(noisy[:100], noisy[100:], 1)
    assert interval.mean == pytest.approx(noisy[:100].mean() / noisy[100:].mean())
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low < 1 < interval.high


def test_a_stop_rule_counts_trials_and_measures_where_it_stopped() -> None:
    rule = stop_rule(GAP, GAP / 2, patience=1, min_delta=0.0)
    # trial 3 of the first, trial 4 of the second
    assert (rule.trials, rule.gap, rule.regret) == (3.5, 1.0, 0.5)
    assert stop_rule(GAP, GAP / 2, patience=1, min_delta=1.5).trials == 2.5


def finished(number: int, objective: float) -> Trial:
    nothing = dict.fromkeys(["spread", "acquisition", "predicted_mean", "predicted_std"])
    return Trial(
        trial=number,
        job=number,
        dir="",
        kind="random",
        status="finished",
        error="",
        objective=objective,
        seconds=0.0,
        params={},
        **nothing,
    )


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 6), st.integers(0, 5))
def test_the_rule_stops_where_the_sweeper_would(
    values: list[int], patience: int, delta: int
) -> None:
    options = SkoptSweeperConf(
        direction="maximize", patience=patience, min_delta=float(delta), n_trials=10**6
    )
    made: list[Trial] = []
    for number, value in enumerate(values):
        made.append(finished(number, float(value)))
        if stop_reason(options, made, exhausted=False, seconds=0.0):
            break
    gap = 100 - np.maximum.accumulate(np.array(values, dtype=float))
    assert stop_rule(gap[None], gap[None], patience, float(delta)).trials == len(made)
