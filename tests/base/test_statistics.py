"""Intervals and grid analysis, against scipy, brute force and known figures."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pipeline.base import statistics as s

fractions = st.floats(0, 1, allow_nan=False)


@given(st.lists(fractions, min_size=2, max_size=12), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_t_interval_is_scipys(values: list[float], level: float) -> None:
    interval = s.t_interval(values, level)
    error = scipy_stats.sem(values)
    assert interval.mean == pytest.approx(np.mean(values))
    if error > 0:
        low, high = scipy_stats.t.interval(level, len(values) - 1, np.mean(values), error)
        assert (interval.low, interval.high) == pytest.approx((low, high))
    else:
        assert interval.half_width == 0


def test_one_value_has_no_interval() -> None:
    assert s.t_interval([0.9]) == s.Interval(0.9, None, None)
    assert s.t_interval([0.9]).half_width is None


@pytest.mark.parametrize("values", [[], [0.5, float("nan")], [float("inf")]])
def test_t_interval_refuses_what_has_no_mean(values: list[float]) -> None:
    with pytest.raises(ValueError, match="interval needs"):
        s.t_interval(values)


@given(st.integers(1, 5000), st.data())
def test_wilson_interval_is_scipys(total: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, total))
    expected = scipy_stats.binomtest(successes, total).proportion_ci(method="wilson")
    interval = s.wilson_interval(successes, total)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert interval.mean == successes / total


@pytest.mark.parametrize(("successes", "total"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_interval_refuses_no_share(successes: int, total: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        s.wilson_interval(successes, total)


def test_diverged_trials_count_as_the_worst_of_the_others() -> None:
    assert s.clip_failures([0.9, 0.0, 0.4], [False, True, False]).tolist() == [0.9, 0.4, 0.4]
    assert s.clip_failures([0.0, 0.0], [True, True]).tolist() == [0.0, 0.0]


@given(st.lists(fractions, min_size=1, max_size=30))
def test_gap_never_grows_and_ends_at_the_distance_of_the_maximum(values: list[float]) -> None:
    curve = s.gap_curve(values, best=1.0)
    assert (np.diff(curve) <= 0).all()
    assert curve[-1] == pytest.approx(1 - max(values))


@given(st.lists(fractions, min_size=1, max_size=7), st.data())
def test_random_search_gap_equals_enumeration(values: list[float], data: st.DataObject) -> None:
    trials = data.draw(st.integers(1, len(values)))
    band = s.random_search_gap(values, trials, level=0.8)
    for k in range(1, trials + 1):
        gaps = sorted(max(values) - max(c) for c in itertools.combinations(values, k))
        assert band.mean[k - 1] == pytest.approx(np.mean(gaps), abs=1e-9)
        inside = sum(band.low[k - 1] - 1e-12 <= g <= band.high[k - 1] + 1e-12 for g in gaps)
        assert inside >= 0.8 * len(gaps) - 1e-9


def test_random_search_over_all_points_loses_nothing() -> None:
    band = s.random_search_gap([0.1, 0.7, 0.3], 3)
    assert (band.mean[-1], band.high[-1]) == pytest.approx((0, 0))
    with pytest.raises(ValueError, match="4 trials out of 3"):
        s.random_search_gap([0.1, 0.7, 0.3], 4)


def test_mean_gap_takes_an_interval_per_trial() -> None:
    band = s.mean_gap([[0.4, 0.0], [0.2, 0.0]])
    assert band.mean.tolist() == pytest.approx([0.3, 0.0])
    assert band.low[0] < 0.3 < band.high[0]
    assert (band.low[1], band.high[1]) == (0.0, 0.0)
    assert s.mean_gap([[0.4, 0.1]]).low.tolist() == [0.4, 0.1]


def test_an_additive_grid_has_main_effects_only() -> None:
    grid = np.array([0.0, 3.0])[:, None] + np.array([0.0, 1.0])[None, :]
    shares = s.variance_shares(["a", "b"], grid)
    assert shares is not None
    assert shares.main == pytest.approx({"a": 0.9, "b": 0.1})
    assert shares.pairs == pytest.approx({("a", "b"): 0.0})


def test_exclusive_or_is_interaction_only() -> None:
    shares = s.variance_shares(["a", "b"], [[0.0, 1.0], [1.0, 0.0]])
    assert shares is not None
    assert shares.main == pytest.approx({"a": 0.0, "b": 0.0})
    assert shares.pairs == pytest.approx({("a", "b"): 1.0})


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2)),
    st.integers(0, 2**32 - 1),
)
def test_variance_shares_add_up_to_one(shape: tuple[int, int, int], seed: int) -> None:
    shares = s.variance_shares(["a", "b", "c"], np.random.default_rng(seed).random(shape))
    if shape == (1, 1, 1):
        assert shares is None
        return
    assert shares is not None
    parts = [*shares.main.values(), *shares.pairs.values(), shares.higher]
    assert sum(parts) == pytest.approx(1)
    assert all(part >= -1e-12 for part in parts)


def test_a_flat_or_incomplete_grid_has_no_shares() -> None:
    assert s.variance_shares(["a"], [0.7, 0.7, 0.7]) is None
    with pytest.raises(ValueError, match="complete"):
        s.variance_shares(["a"], [0.7, float("nan")])
    with pytest.raises(ValueError, match="axes"):
        s.variance_shares(["a"], [[0.7]])


def test_noise_is_what_an_additive_grid_leaves() -> None:
    rng = np.random.default_rng(0)
    additive = rng.normal(size=(7, 1, 1)) + rng.normal(size=(1, 5, 1)) + rng.normal(size=(1, 1, 4))
    assert s.additive_noise(additive) == pytest.approx(0, abs=1e-9)
    noisy = [s.additive_noise(additive + rng.normal(0, 0.3, additive.shape)) for _ in range(50)]
    assert np.mean([each for each in noisy if each]) == pytest.approx(0.3, rel=0.1)
    assert s.additive_noise(np.where(additive == additive.max(), np.nan, additive)) is None
    assert s.additive_noise(additive[:1, :1]) is None
