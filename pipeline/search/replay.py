"""Replay searches on a finished grid: their trials are looked up, nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hydra_skopt_sweeper.engine import Engine
from hydra_skopt_sweeper.rules import idle_trials
from hydra_skopt_sweeper.space import Space, build_space
from hydra_skopt_sweeper.start import build_engine
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.base.progress import counted
from pipeline.search.grid import FinishedGrid, Index
from pipeline.trials.contract import Replays

Objective = Callable[[Index], float]
Searcher = Callable[[FinishedGrid, Objective, int, int], None]
"""Calls the objective (to be maximised) for a number of trials, under a seed.

It may look at the values and the fixed scheme of the grid, not at its accuracies.
"""


BAYES: Mapping[str, Any] = {
    "direction": "maximize",
    "line": ["lr"],
    "acquisition": "mean",
    "collapse_at": 0.0,
}
"""The options in conf/strategy/bayes.yaml that decide the proposals."""


def run(engine: Engine, objective: Objective, n_trials: int, batch_size: int = 1) -> None:
    """Ask and tell until ``n_trials`` are made; what is asked for together is told together."""
    for done in range(0, n_trials, batch_size):
        proposals = engine.ask(min(batch_size, n_trials - done))
        points = [tuple(map(int, proposal.point)) for proposal in proposals]
        engine.tell(points, list(map(objective, points)))


def space(grid: FinishedGrid) -> Space:
    """The space the sweeper itself makes of these values."""
    params = {
        name: f"choice({','.join(str(value).lower() for value in values)})"
        for name, values in grid.values.items()
    }
    return build_space(params, [], None)


def trace(grid: FinishedGrid, searcher: Searcher, *, n_trials: int, seed: int) -> list[Index]:
    """The points the searcher tries, in order. The first k are its search of k trials.

    Raises:
        UserError: the grid has fewer points than trials are asked for.
    """
    if n_trials > grid.size:
        raise UserError(f"{n_trials} trials on a grid of {grid.size} points; ask for fewer")
    points: list[Index] = []

    def look_up(point: Index) -> float:
        points.append(point)
        return float(grid.objective[point])

    searcher(grid, look_up, n_trials, seed)
    return points


def gaps(grid: FinishedGrid, points: Sequence[Index]) -> NDArray[np.float64]:
    """Accuracy points between the grid's best and the best so far, after each trial."""
    found = np.array([grid.objective[point] for point in points])
    return 100 * (grid.objective.max() - np.maximum.accumulate(found))


def losses_on_test(grid: FinishedGrid, points: Sequence[Index]) -> NDArray[np.float64]:
    """Accuracy points on the test column between the grid's choice and the search's, per trial.

    Both choose by the objective; of equals the first in the order of the space. Negative where
    the search was luckier than the grid. Raises ValueError for a grid without test column.
    """
    if grid.test is None:
        raise ValueError("the grid has no test column")
    chosen: list[Index] = []
    for point in points:
        rivals = [*chosen[-1:], point]
        chosen.append(min(rivals, key=lambda p: (-grid.objective[p], p)))
    best = np.unravel_index(int(grid.objective.argmax()), grid.objective.shape)
    return 100 * (grid.test[best] - np.array([grid.test[point] for point in chosen]))


SEARCHES = 100


def replays(trials: Path, options: SkoptSweeperConf, searches: int = SEARCHES) -> Replays | None:
    """Searches under seeds 0, 1, ... on the grid in a cell's ``trials.csv``.

    Each has the engine, the first points, the batches, the number of trials and the patience of
    ``options``; a target, a time limit, repeats and warm starts mean nothing on a table. A first
    point that the grid does not hold is left out. ``gaps`` has a row per search: the gap to
    the grid's best, as a fraction, after each trial; as many trials as asked for or as the grid
    has points. A search that ran out of patience keeps its last gap. None where the grid is not
    whole, because a trial of it failed. Raises UserError when there is no such file.
    """
    if not trials.is_file():
        raise UserError(f"{trials} is not there: the grid has to be finished first (tune)")
    table = pd.read_csv(trials)
    if (table["status"] == "failed").any():
        return None
    grid = FinishedGrid.from_table(table)
    first = [point for values in options.initial_points if (point := grid.point(values))]

    def search(grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
        engine = build_engine(replace(options, seed=seed), space(grid), first)
        run(engine, objective, n_trials, options.batch_size)

    rows = []
    for seed in counted(range(searches), "replaying searches on the finished grid", searches):
        points = trace(grid, search, n_trials=min(options.n_trials, grid.size), seed=seed)
        rows.append(_gaps(grid, points, options))
    return Replays(gaps=rows)


def _gaps(grid: FinishedGrid, points: list[Index], options: SkoptSweeperConf) -> list[float]:
    made = _made([float(grid.objective[point]) for point in points], options)
    lost = gaps(grid, points) / 100
    lost[made:] = lost[made - 1]
    return [round(float(gap), 9) for gap in lost]


def _made(objectives: Sequence[float], options: SkoptSweeperConf) -> int:
    """How many trials a search makes until its patience ends, looked at after each batch."""
    patience = options.patience or math.inf
    idle = enumerate(idle_trials(objectives, options.min_delta), start=1)
    ended = (made for made, waited in idle if waited >= patience and not made % options.batch_size)
    return next(ended, len(objectives))
