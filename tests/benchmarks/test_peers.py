"""The searchers that the sweeper is compared with."""

import pandas as pd
import pytest

from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import trace
from searchers.peers import SEARCHERS


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
