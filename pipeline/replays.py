"""Replay the Bayesian search on a finished grid of this project, training nothing.

One search may be lucky. Here every trial is looked up in the grid's own table, so many searches
cost seconds; the report shows what they lose against the grid's best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config import SearchConfig, UserError
from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import gaps, sweeper, trace

SEARCHES = 100


def replays(
    trials: Path, search: SearchConfig, first: Mapping[str, Any], searches: int = SEARCHES
) -> dict[str, Any] | None:
    """Searches under seeds 0, 1, ... on the grid in a cell's ``trials.csv``.

    Each is what ``search`` asks for and begins at the hyperparameters ``first``. ``gaps`` has a
    row per search: the gap to the grid's best, as a fraction, after each trial; as many trials as
    asked for or as the grid has points. A search that ran out of patience keeps its last gap. None
    where the grid is not whole, because a trial of it failed. Raises UserError when there is no
    such file.
    """
    if not trials.is_file():
        raise UserError(f"{trials} is not there: the grid has to be finished first (tune)")
    table = pd.read_csv(trials)
    if (table["status"] == "failed").any():
        return None
    grid = FinishedGrid.from_table(table, first)
    searcher = partial(sweeper, batch_size=search.batch_size)
    rows = []
    for seed in range(searches):
        points = trace(grid, searcher, n_trials=min(search.n_trials, grid.size), seed=seed)
        made = _made((grid.objective[point] for point in points), search)
        lost = gaps(grid, points) / 100
        lost[made:] = lost[made - 1]
        rows.append([round(float(gap), 9) for gap in lost])
    return {"gaps": rows}


def _made(objectives: Iterable[float], search: SearchConfig) -> int:
    """How many trials a search makes until its patience ends, looked at after each batch."""
    best, idle, made = -math.inf, 0, 0
    for objective in objectives:
        made, idle = made + 1, idle + 1
        if objective > best + search.min_delta:
            best, idle = objective, 0
        if search.patience is not None and idle >= search.patience and not made % search.batch_size:
            break
    return made
