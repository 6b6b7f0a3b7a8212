"""Replay a searcher on a finished grid: its trials are looked up, nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hydra_plugins.hydra_skopt_sweeper._dimensions import Dimension
from hydra_plugins.hydra_skopt_sweeper._engine import Engine
from hydra_plugins.hydra_skopt_sweeper._space import build_space
from pipeline.config import UserError
from pipeline.search.grid import FinishedGrid, Point

Objective = Callable[[Point], float]
Searcher = Callable[[FinishedGrid, Objective, int, int], None]
"""Calls the objective (to be maximised) for a number of trials, under a seed.

It may look at the values and the fixed scheme of the grid, not at its accuracies.
"""


def sweeper(grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
    """This project's sweeper as ``strategy=bayes`` sets it: the fixed scheme first."""
    first = grid.fixed_scheme
    engine = Engine(
        dimensions(grid),
        seed=seed,
        initial_points=[] if first is None else [first],
        collapse_at=0.0,
    )
    for _ in range(n_trials):
        [proposal] = engine.ask()
        point = tuple(map(int, proposal.point))
        engine.tell([point], [objective(point)])


def dimensions(grid: FinishedGrid) -> Sequence[Dimension]:
    """The dimensions the sweeper itself makes of these values."""
    params = {
        name: f"choice({','.join(str(value).lower() for value in values)})"
        for name, values in grid.values.items()
    }
    return build_space(params, [], None).dimensions


def trace(grid: FinishedGrid, searcher: Searcher, *, n_trials: int, seed: int) -> list[Point]:
    """The points the searcher tries, in order. The first k are its search of k trials.

    Raises:
        UserError: the grid has fewer points than trials are asked for.
    """
    if n_trials > grid.size:
        raise UserError(f"{n_trials} trials on a grid of {grid.size} points; ask for fewer")
    points: list[Point] = []

    def look_up(point: Point) -> float:
        points.append(point)
        return float(grid.objective[point])

    searcher(grid, look_up, n_trials, seed)
    return points


def gaps(grid: FinishedGrid, points: Sequence[Point]) -> NDArray[np.float64]:
    """Accuracy points between the grid's best and the best so far, after each trial."""
    found = np.array([grid.objective[point] for point in points])
    return 100 * (grid.objective.max() - np.maximum.accumulate(found))


def losses_on_test(grid: FinishedGrid, points: Sequence[Point]) -> NDArray[np.float64]:
    """Accuracy points on the test column between the grid's choice and the search's, per trial.

    Both choose by the objective; of equals the first in the order of the space. Negative where
    the search was luckier than the grid. Raises ValueError for a grid without test column.
    """
    if grid.test is None:
        raise ValueError("the grid has no test column")
    chosen: list[Point] = []
    for point in points:
        rivals = [*chosen[-1:], point]
        chosen.append(min(rivals, key=lambda p: (-grid.objective[p], p)))
    best = np.unravel_index(int(grid.objective.argmax()), grid.objective.shape)
    return 100 * (grid.test[best] - np.array([grid.test[point] for point in chosen]))


def replay(
    grid: pd.DataFrame, *, seeds: int, n_trials: int, searcher: Searcher = sweeper
) -> NDArray[np.float64]:
    """Gaps in accuracy points of many searches on one finished grid, shape (seeds, n_trials).

    Args:
        grid: the columns of :meth:`FinishedGrid.from_table`.
        seeds: searches are made under the seeds 0, 1, ... up to this many.

    Raises:
        UserError: the grid is not complete, or smaller than `n_trials`.
    """
    finished = FinishedGrid.from_table(grid)
    traces = (trace(finished, searcher, n_trials=n_trials, seed=seed) for seed in range(seeds))
    return np.array([gaps(finished, points) for points in traces])
