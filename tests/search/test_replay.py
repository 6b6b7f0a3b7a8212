import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.searchers.peers import SEARCHERS, random
from pipeline.base.errors import UserError
from pipeline.search.grid import FinishedGrid, Index
from pipeline.search.replay import gaps, losses_on_test, sweeper, trace


@pytest.fixture
def grid(table: pd.DataFrame) -> FinishedGrid:
    return FinishedGrid.from_table(table)


@pytest.mark.parametrize("name", ["sweeper", "random", "optuna-tpe"])
def test_a_search_of_more_trials_begins_with_the_one_of_fewer(
    grid: FinishedGrid, name: str
) -> None:
    long = trace(grid, SEARCHERS[name], n_trials=14, seed=3)
    assert trace(grid, SEARCHERS[name], n_trials=8, seed=3) == long[:8]
    assert len(long) == 14


@pytest.mark.slow
@pytest.mark.parametrize("name", ["skopt", "optuna-gp"])
def test_the_slow_peers_search_by_seed(grid: FinishedGrid, name: str) -> None:
    first, again, other = (
        trace(grid, SEARCHERS[name], n_trials=12, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 12


def test_the_sweeper_begins_with_the_fixed_scheme_and_finds_the_best(grid: FinishedGrid) -> None:
    points = trace(grid, sweeper, n_trials=20, seed=0)
    assert points[0] == grid.fixed_scheme
    assert len(set(points)) == 20
    assert gaps(grid, points)[-1] == 0


def test_more_trials_than_points_are_refused(grid: FinishedGrid) -> None:
    with pytest.raises(UserError, match="85 trials on a grid of 84 points"):
        trace(grid, random, n_trials=85, seed=0)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_search_that_saw_every_point_chooses_what_the_grid_chooses(data: st.DataObject) -> None:
    values = st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=8, max_size=8)
    objective, test = (np.reshape(data.draw(values), (2, 4)) for _ in range(2))
    grid = FinishedGrid({"a": range(2), "b": range(4)}, objective, test)
    points: list[Index] = [(int(i), int(j)) for i, j in np.ndindex(2, 4)]
    order = data.draw(st.permutations(points))
    assert losses_on_test(grid, order)[-1] == 0
    assert gaps(grid, order)[-1] == 0


def test_the_loss_on_test_is_that_of_the_point_chosen_on_the_objective() -> None:
    objective = np.array([[0.80, 0.90, 0.95]])
    test = np.array([[0.85, 0.70, 0.75]])
    grid = FinishedGrid({"a": [0], "b": [0, 1, 2]}, objective, test)
    assert losses_on_test(grid, [(0, 0), (0, 1), (0, 2)]) == pytest.approx([-10, 5, 0])
    assert gaps(grid, [(0, 1), (0, 0), (0, 2)]) == pytest.approx([5, 5, 0])
    with pytest.raises(ValueError, match="no test column"):
        losses_on_test(FinishedGrid(grid.values, objective), [(0, 0)])
