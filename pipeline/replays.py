"""Replay the Bayesian search on a finished grid of this project, 100 times, training nothing.

One search may be lucky. This looks every trial up in the grid's own table and writes what the
searches lose against its best to <root>/results/<dataset>/<model>/grid/replays.json, which the
report shows. Run: python -m pipeline.replays [--config-path quickstart] [dataset=... model=...]
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.cli import stage
from pipeline.config import Config, UserError
from pipeline.datasets.files import write_json
from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import gaps, sweeper, trace

SEARCHES = 100


def replays(cfg: Config) -> None:
    """Raises UserError when the cell's grid is not finished."""
    folder = Path(cfg.root) / "results" / cfg.dataset.name / cfg.model.name / "grid"
    lost = write_replays(folder, cfg.search.n_trials)
    print(
        f"{folder / 'replays.json'}: after {lost.shape[1]} trials {SEARCHES} searches lost "
        f"{100 * lost[:, -1].mean():.2f} points on average"
    )


def write_replays(folder: Path, n_trials: int, searches: int = SEARCHES) -> NDArray[np.float64]:
    """Replay ``folder``'s grid and write ``replays.json`` into it, on all cores.

    Returns the gaps to the grid's best as fractions, shape (searches, trials); trials are at most
    the points of the grid. Raises UserError when ``trials.csv`` is absent or not a full grid.
    """
    path = folder / "trials.csv"
    if not path.is_file():
        raise UserError(f"{path} is not there: the grid has to be finished first (tune)")
    data = path.read_bytes()
    table = pd.read_csv(io.BytesIO(data))
    if (table["status"] == "failed").any():
        raise UserError(f"{path}: some trials failed; only a whole grid can be replayed")
    grid = FinishedGrid.from_table(table)
    count = min(n_trials, grid.size)

    def search(seed: int) -> NDArray[np.float64]:
        return gaps(grid, trace(grid, sweeper, n_trials=count, seed=seed)) / 100

    jobs = joblib.Parallel(n_jobs=min(os.cpu_count() or 1, searches))
    lost = np.array(jobs(joblib.delayed(search)(seed) for seed in range(searches)))
    digest = hashlib.sha256(data).hexdigest()
    write_json(folder / "replays.json", {"trials_sha256": digest, "gaps": lost.tolist()})
    return lost


if __name__ == "__main__":
    stage(replays, __doc__ or "")
