"""Replay the Bayesian search on a finished grid of this project, training nothing.

One search may be lucky. Here every trial is looked up in the grid's own table, so many searches
cost seconds; the report shows what they lose against the grid's best.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config import UserError
from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import gaps, sweeper, trace

SEARCHES = 100


def replays(trials: Path, n_trials: int, searches: int = SEARCHES) -> dict[str, Any] | None:
    """Searches under seeds 0, 1, ... on the grid in a cell's ``trials.csv``.

    ``gaps`` has a row per search: the gap to the grid's best, as a fraction, after each trial; as
    many trials as asked for or as the grid has points. None where the grid is not whole, because
    a trial of it failed. Raises UserError when there is no such file.
    """
    if not trials.is_file():
        raise UserError(f"{trials} is not there: the grid has to be finished first (tune)")
    table = pd.read_csv(trials)
    if (table["status"] == "failed").any():
        return None
    grid = FinishedGrid.from_table(table)
    count = min(n_trials, grid.size)
    lost = [
        gaps(grid, trace(grid, sweeper, n_trials=count, seed=seed)) / 100
        for seed in range(searches)
    ]
    return {"gaps": [[round(float(gap), 9) for gap in row] for row in lost]}
