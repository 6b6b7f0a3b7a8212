"""Replay searches on a finished grid: look their trials up instead of training."""

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
from pipeline.trials.final_parts import Replays

Objective = Callable[[Index], float]
Searcher = Callable[[FinishedGrid, Objective, int, int], None]
"""A function (grid, objective, number of trials, seed) that calls the objective to maximise it.

It may use the values and the fixed scheme of the grid, but not its accuracies.
"""


BAYES: Mapping[str, Any] = {
    "direction": "maximize",
    "line": ["lr"],
    "acquisition": "mean",
    "collapse_at": 0.0,
}
"""The options in conf/strategy/bayes.yaml that decide the proposals."""


def run(engine: Engine, objective: Objective, n_trials: int, batch_size: int = 1) -> None:
    """Run a search of ``n_trials``; the results of a batch are given to the engine together."""
    for done in range(0, n_trials, batch_size):
        proposals = engine.ask(min(batch_size, n_trials - done))
        points = [tuple(map(int, proposal.point)) for proposal in proposals]
        engine.tell(points, list(map(objective, points)))


def space(grid: FinishedGrid) -> Space:
    """Return the space that the sweeper makes from the grid's values."""
    params = {
        name: f"choice({','.join(str(value).lower() for value in values)})"
        for name, values in grid.values.items()
    }
    return build_space(params, [], None)


def trace(grid: FinishedGrid, searcher: Searcher, *, n_trials: int, seed: int) -> list[Index]:
    """Return the points that a searcher tries, in order; the first k are its search of k trials.

    Raises UserError if the grid has fewer points than ``n_trials``.
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
    """Return the gap after each trial: the grid's best minus the best so far, in points."""
    objectives = np.array([grid.objective[point] for point in points])
    return 100 * (grid.objective.max() - np.maximum.accumulate(objectives))


def losses_on_test(grid: FinishedGrid, points: Sequence[Index]) -> NDArray[np.float64]:
    """Return the loss on the test column after each trial: grid's choice minus the search's.

    The loss is in points. Both choose by the objective; among equals, the first in the order of
    the space. It is negative if the search was luckier than the grid. Raises ValueError for a grid
    without a test column.
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
    """Replay searches with seeds 0, 1, ... on the grid in a cell's ``trials.csv``.

    Each search uses the engine, first points, batch size, number of trials and patience of
    ``options``. A target, a time limit, repeats and warm starts have no meaning on a table. First
    points that the grid does not contain are left out.

    ``gaps`` of the result has a row per search: the gap to the grid's best, as a fraction, after
    each trial. Its length is the number of trials, or of the grid's points if that is smaller. A
    search that runs out of patience keeps its last gap. Returns None if a trial of the grid failed.
    Raises UserError when there is no such file.
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
        made = _made([float(grid.objective[point]) for point in points], options)
        lost = gaps(grid, points) / 100
        lost[made:] = lost[made - 1]
        rows.append([round(float(gap), 9) for gap in lost])
    return Replays(gaps=rows)


def _made(objectives: Sequence[float], options: SkoptSweeperConf) -> int:
    """Return how many trials a search makes until its patience ends, checked after each batch."""
    patience = options.patience or math.inf
    idle = enumerate(idle_trials(objectives, options.min_delta), start=1)
    ended = (made for made, waited in idle if waited >= patience and not made % options.batch_size)
    return next(ended, len(objectives))
