"""Grids that a recorded one could have been."""

import numpy as np
import pandas as pd
import pytest

from pipeline.search.grid import FinishedGrid
from searchers.variants import luck, smooth, variant


@pytest.fixture
def grid(table: pd.DataFrame) -> FinishedGrid:
    return FinishedGrid.from_table(table)


def test_a_variant_has_noise_of_its_own_around_one_truth(grid: FinishedGrid) -> None:
    one, other = (variant(grid, seed, shift=0) for seed in (0, 1))
    assert not np.array_equal(one.grid.objective, other.grid.objective)
    assert np.array_equal(one.truth, other.truth)
    assert np.array_equal(one.truth, smooth(grid).fit)
    assert np.array_equal(variant(grid, 0, shift=0).grid.objective, one.grid.objective)


def test_a_shift_moves_the_learning_rates_and_repeats_the_last_row(grid: FinishedGrid) -> None:
    axis = list(grid.values).index("lr")
    moved = variant(grid, 0, shift=1).truth.take(range(len(grid.values["lr"])), axis)
    still = smooth(grid).fit
    last = still.shape[axis] - 1
    assert np.array_equal(moved.take(0, axis), still.take(1, axis))
    assert np.array_equal(moved.take(last, axis), still.take(last, axis))


def test_luck_is_what_normal_order_statistics_say() -> None:
    assert luck(5, 28) == pytest.approx(0.86, abs=0.02)  # 2.01 - 1.16
    assert luck(10, 28) == pytest.approx(0.48, abs=0.02)
    assert luck(28, 28) == 0
