"""What values look like to the model."""

import numpy as np
import pytest
from hydra_skopt_sweeper.dimensions import Levels, Span
from hypothesis import given
from hypothesis import strategies as st


def test_ordered_levels_lie_on_a_line_and_nominal_ones_apart() -> None:
    assert Levels.ordered([10, 20, 40]).features[:, 0] == pytest.approx([0, 1 / 3, 1])
    distances = np.linalg.norm(np.diff(Levels.nominal(3).features, axis=0), axis=1)
    assert distances == pytest.approx([2**0.5, 2**0.5])


def test_a_single_level_has_a_finite_place() -> None:
    assert Levels.ordered([5.0]).encode([0]) == pytest.approx(np.zeros((1, 1)))


shares = st.lists(st.floats(0, 1), min_size=1).map(np.array)


@given(n=st.integers(1, 30), shares=shares)
def test_every_share_of_a_list_is_one_of_its_values(n: int, shares: np.ndarray) -> None:
    levels = Levels.evenly(n)
    indices = levels.from_unit(shares)
    assert set(indices) <= set(levels.values())
    assert levels.from_unit(levels.to_unit(indices)) == indices


@given(shares=shares, log=st.booleans())
def test_every_share_of_an_interval_is_a_plain_number_inside(shares: np.ndarray, log: bool) -> None:
    for span, kind in [
        (Span.real(1e-5, 10.0, log=log), float),
        (Span.integer(2, 300, log=log), int),
    ]:
        numbers = span.from_unit(shares)
        assert {type(number) for number in numbers} == {kind}
        assert all(number in span for number in numbers)
        assert span.from_unit(span.to_unit(numbers)) == pytest.approx(numbers)


def test_a_logarithmic_interval_is_even_in_the_logarithm() -> None:
    assert Span.real(1e-4, 1.0, log=True).encode([1e-2])[0, 0] == pytest.approx(0.5)
    assert Span.real(0.0, 1.0).encode([0.25])[0, 0] == pytest.approx(0.25)


@pytest.mark.parametrize("value", [True, "3", 2.5, 0, 301])
def test_what_is_no_whole_number_inside_is_not_in_an_interval(value: object) -> None:
    assert value not in Span.integer(2, 300)


@pytest.mark.parametrize("log", [False, True])
def test_each_whole_number_has_its_share_of_an_interval(log: bool) -> None:
    drawn = Span.integer(1, 4, log=log).from_unit((np.arange(4000) + 0.5) / 4000)
    edges = np.log([0.5, 1.5, 2.5, 3.5, 4.5]) if log else np.arange(5)
    expected = np.diff(edges) / np.ptp(edges)
    counts = np.bincount(drawn, minlength=5)[1:] / len(drawn)
    assert counts == pytest.approx(expected, abs=1e-3)
