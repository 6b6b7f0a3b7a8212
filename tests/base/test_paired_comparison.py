"""Comparing two settings on one test split: seeds and images are both chance."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.base.interim_looks import FEWEST_SEEDS, planned_looks
from pipeline.base.paired_comparison import accuracy_interval, compare, decided, worth_more_seeds
from verdicts import MIXTURES, errors, simulate, with_the_rule

ANSWERS = st.tuples(st.integers(2, 5), st.integers(2, 30)).flatmap(
    lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))
)


@given(ANSWERS)
def test_the_other_way_round_is_the_same_with_the_sign_changed(pair):
    one, other = compare(*pair), compare(*pair[::-1])
    assert one.mean == pytest.approx(-other.mean)
    assert one.interval().low == pytest.approx(-other.interval().high)
    assert one.p_value() == pytest.approx(other.p_value())


@given(ANSWERS)
def test_bounds_hold_the_mean_and_stay_possible(pair):
    interval = compare(*pair).interval()
    assert -1 <= interval.low <= interval.mean <= interval.high <= 1


@given(ANSWERS, st.integers(1, 5))
def test_each_of_several_looks_has_its_share_of_the_errors(pair, looks):
    one, several = compare(*pair), compare(*pair, looks)
    assert several.p_value() == pytest.approx(min(1, looks * one.p_value()))
    assert several.interval(0.95) == one.interval(1 - 0.05 / looks)


@given(st.integers(FEWEST_SEEDS, 100))
def test_looks_end_at_the_budget_and_about_double(budget):
    looks = planned_looks(budget)
    assert looks[-1] == budget
    assert FEWEST_SEEDS <= looks[0] < 2 * FEWEST_SEEDS
    assert all(a < b <= 2 * a for a, b in itertools.pairwise(looks))


@given(ANSWERS)
def test_the_p_value_and_the_interval_agree(pair):
    comparison = compare(*pair)
    p = comparison.p_value()
    if 1e-6 < p < 0.9:
        assert comparison.interval(1 - 0.99 * p).low <= 0 <= comparison.interval(1 - 0.99 * p).high
        tighter = comparison.interval(1 - 1.01 * p)
        assert tighter.low > 0 or tighter.high < 0


def test_a_clear_difference_is_decided_and_a_tiny_one_says_how_many_seeds_would():
    rng = np.random.default_rng(0)
    clear = compare(rng.random((3, 2000)) < 0.95, rng.random((3, 2000)) < 0.85)
    assert decided([clear]) == [True]
    noisy = compare(*simulate(np.random.default_rng(4), 3, shift=0.01, better=0.02))
    assert decided([noisy]) == [False]
    assert noisy.seeds_to_decide() > 3


def test_too_few_images_are_not_mended_by_seeds():
    answers = np.ones((3, 20), bool)
    other = answers.copy()
    other[:, 0] = False
    assert compare(answers, other).seeds_to_decide() is None


def test_several_comparisons_share_the_risk():
    rng = np.random.default_rng(1)
    # Alone, a difference at about p = 0.02 holds; among eight it does not.
    for _ in range(200):
        single = compare(*simulate(rng, 10, 0.0, better=0.01))
        if 0.01 < single.p_value() < 0.04:
            break
    assert decided([single]) == [True]
    others = [compare(*simulate(rng, 10, 0.0)) for _ in range(7)]
    others = [each for each in others if each.p_value() > 0.2]
    assert decided([single, *others, *others][:8])[0] is False


def test_seeds_are_added_to_what_they_may_decide():
    rng = np.random.default_rng(2)
    clear = compare(rng.random((3, 2000)) < 0.95, rng.random((3, 2000)) < 0.65, 3)
    assert decided([clear]) == [True]
    assert not worth_more_seeds(clear, 8, 10)
    answers = np.ones((3, 20), bool)
    other = answers.copy()
    other[:, 0] = False
    assert not worth_more_seeds(compare(answers, other, 3), 8, 10)  # too few images
    noisy = compare(*simulate(np.random.default_rng(4), 3, shift=0.01, better=0.02), 3)
    assert worth_more_seeds(noisy, 1, 10)
    assert not worth_more_seeds(noisy, 1, 3)  # the budget is spent
    ended = with_the_rule(simulate(np.random.default_rng(4), 12, shift=0.01, better=0.02), 1)
    assert ended.seeds in (6, 12)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [False, True], ids=["seeds as listed", "seeds added"])
@pytest.mark.parametrize("shift", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_settings_are_called_different_in_six_of_a_hundred_at_most(seeds, shift, rule):
    """Added up to four times as many, at three looks."""
    rng = np.random.default_rng(100 + seeds)
    equal = [simulate(rng, 4 * seeds if rule else seeds, shift) for _ in range(2000)]
    wrong, of_eight = errors(equal, rule)
    assert wrong <= 0.06
    assert of_eight <= 0.06


def test_shapes_that_cannot_be_compared():
    with pytest.raises(ValueError, match="need \\[seeds, images\\]"):
        compare(np.ones((1, 5)), np.ones((1, 5)))
    with pytest.raises(ValueError, match="shapes"):
        compare(np.ones((2, 5)), np.ones((2, 6)))


@given(ANSWERS)
def test_an_accuracy_is_bounded_around_its_mean_and_between_none_and_all(pair):
    interval = accuracy_interval(pair[0])
    assert 0 <= interval.low <= interval.mean <= interval.high <= 1
    assert interval.low < interval.high, "twenty right answers of twenty prove no certainty"


def test_an_interval_of_an_accuracy_covers_what_other_images_would_give():
    covered = 0
    for number in range(400):
        rng = np.random.default_rng(number)
        chance = rng.beta(4.5, 0.5, size=300) + rng.normal(0, 0.01, size=(3, 1))
        interval = accuracy_interval(rng.random(chance.shape) < chance)
        covered += interval.low <= 0.9 <= interval.high
    assert covered >= 0.92 * 400
