"""Replay the Bayesian search on a finished grid of this project, training nothing.

One search may be lucky. Here every trial is looked up in the grid's own table, so many searches
cost seconds to minutes; the report shows what they lose against the grid's best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from hydra_plugins.hydra_skopt_sweeper._engine import Engine
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from pipeline.config import UserError
from pipeline.datasets.progress import counted
from pipeline.search.grid import FinishedGrid, Point
from pipeline.search.replay import Objective, dimensions, gaps, run, trace

SEARCHES = 100


def replays(
    trials: Path, options: SkoptSweeperConf, searches: int = SEARCHES
) -> dict[str, Any] | None:
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
        engine = Engine(
            dimensions(grid),
            seed=seed,
            n_initial=options.n_initial,
            initial_points=first,
            acquisition=options.acquisition,
            surrogate=options.surrogate,
            collapse_at=options.collapse_at,
        )
        run(engine, objective, n_trials, options.batch_size)

    rows = []
    for seed in counted(range(searches), "replaying searches on the finished grid", searches):
        points = trace(grid, search, n_trials=min(options.n_trials, grid.size), seed=seed)
        rows.append(_gaps(grid, points, options))
    return {"gaps": rows}


def _gaps(grid: FinishedGrid, points: list[Point], options: SkoptSweeperConf) -> list[float]:
    made = _made((grid.objective[point] for point in points), options)
    lost = gaps(grid, points) / 100
    lost[made:] = lost[made - 1]
    return [round(float(gap), 9) for gap in lost]


def _made(objectives: Iterable[float], options: SkoptSweeperConf) -> int:
    """How many trials a search makes until its patience ends, looked at after each batch."""
    best, idle, made = -math.inf, 0, 0
    for objective in objectives:
        made, idle = made + 1, idle + 1
        if objective > best + options.min_delta:
            best, idle = objective, 0
        ended = options.patience is not None and idle >= options.patience
        if ended and not made % options.batch_size:
            break
    return made
