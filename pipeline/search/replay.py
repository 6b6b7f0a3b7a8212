"""Replay a searcher on a finished grid: its trials are looked up, nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
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
    """This project's sweeper as conf/strategy/bayes.yaml has it: the fixed scheme first."""
    first = grid.fixed_scheme
    initial = [] if first is None else [first]
    engine = Engine(dimensions(grid), seed=seed, initial_points=initial, collapse_at=0.0)
    run(engine, objective, n_trials)


def run(engine: Engine, objective: Objective, n_trials: int, batch_size: int = 1) -> None:
    """Ask and tell until ``n_trials`` are made; what is asked for together is told together."""
    for done in range(0, n_trials, batch_size):
        proposals = engine.ask(min(batch_size, n_trials - done))
        points = [tuple(map(int, proposal.point)) for proposal in proposals]
        engine.tell(points, list(map(objective, points)))


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
