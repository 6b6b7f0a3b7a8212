"""Replay searchers on finished grids: what a search of k trials loses against the whole grid.

    python benchmarks/search.py --json benchmarks/search.json --figure benchmarks/search.svg \
        > benchmarks/search.md

Reads benchmarks/grids/*.csv, or the grids given with --grid (columns lr, l2_decay,
label_smoothing, mixup, objective and optionally test). Every searcher makes one search of 34
trials per seed; its first k trials are its search of k. Finished searches are kept under
runs/search/, so a run that was stopped goes on where it was. Needs the extra "benchmarks".
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from hydra_skopt_sweeper.engine import Engine
from tqdm import tqdm

from benchmarks.searchers.comparison import Replays
from benchmarks.searchers.figure import draw
from benchmarks.searchers.peers import SEARCHERS
from benchmarks.searchers.summary import markdown, summary
from benchmarks.searchers.traces import search, versions
from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.reporting.published import table1
from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import gaps, losses_on_test, space
from pipeline.settings.command_line import guarded

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "runs" / "search"
N_TRIALS = 34
"""Budgets as in the figure of the first PaddleClas page: up to 34."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--grid", type=Path, action="append", metavar="CSV", help="repeatable")
    made.add_argument("--seeds", type=int, default=100, help="searches per searcher (default 100)")
    made.add_argument(
        "--searchers",
        nargs="+",
        default=list(SEARCHERS),
        choices=list(SEARCHERS),
        help="the first is compared with each of the others (default: all)",
    )
    made.add_argument("--json", type=Path, metavar="PATH", help="write every figure there")
    made.add_argument(
        "--figure",
        type=Path,
        default=FOLDER / "search.svg",
        metavar="PATH",
        help="svg, png or pdf (default: runs/search/search.svg)",
    )
    made.add_argument("--workers", type=int, default=os.cpu_count(), help="default: all cores")
    return made


def replays(
    grid: FinishedGrid, name: str, searchers: list[str], seeds: int, workers: int
) -> dict[str, Replays]:
    made = search(
        grid,
        searchers,
        seeds=seeds,
        n_trials=min(N_TRIALS, grid.size),
        folder=FOLDER,
        workers=workers,
    )
    total = seeds * len(searchers)
    found = {
        (searcher, seed): points
        for searcher, seed, points in tqdm(made, desc=name, total=total, unit="search")
    }
    result = {}
    for searcher in searchers:
        traces = [found[searcher, seed] for seed in range(seeds)]
        loss = None
        if grid.test is not None:
            loss = np.array([losses_on_test(grid, points) for points in traces])
        result[searcher] = Replays(np.array([gaps(grid, points) for points in traces]), loss)
    return result


def seconds_to_propose(grid: FinishedGrid, told: int) -> float:
    """Time of one tell and one ask of the model with ``told`` points known, the median of five."""
    points = list(np.ndindex(grid.objective.shape))
    times = []
    for seed in range(5):
        chosen = [points[i] for i in np.random.default_rng(seed).permutation(grid.size)[:told]]
        values = [float(grid.objective[point]) for point in chosen]
        engine = Engine(space(grid).dimensions, n_initial=0)
        engine.tell(chosen[1:], values[1:])
        start = perf_counter()
        engine.tell(chosen[:1], values[:1])
        engine.ask()
        times.append(perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    arguments = parser().parse_args()
    if arguments.seeds < 2:
        raise UserError(f"--seeds {arguments.seeds}: an interval needs at least 2")
    paths = arguments.grid or sorted((ROOT / "benchmarks" / "grids").glob("*.csv"))
    if not paths:
        raise UserError("benchmarks/grids holds no table; name one with --grid CSV")
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UserError(f"two grids have the same name ({', '.join(names)}); rename a file")
    grids = {path.stem: FinishedGrid.load(path) for path in paths}
    searchers = list(dict.fromkeys(arguments.searchers))
    results = {
        name: replays(grid, name, searchers, arguments.seeds, arguments.workers)
        for name, grid in grids.items()
    }
    found = {name: summary(results[name], grids[name]) for name in grids}
    if arguments.json:
        content = {"seeds": arguments.seeds, "versions": versions(), "grids": found}
        write_json(arguments.json, content)
    arguments.figure.parent.mkdir(parents=True, exist_ok=True)
    published = [(row.trials["bayes"], 100 * row.loss) for row in table1().values()]
    draw(found, published, arguments.figure)
    print(markdown(found, arguments.seeds, published))
    print(f"figure: {arguments.figure}", file=sys.stderr)
    largest = max(grids.values(), key=lambda grid: grid.size)
    for told in (34, largest.size - 1):
        seconds = seconds_to_propose(largest, told)
        print(f"tell and ask at {told} told points: {seconds:.3f} s", file=sys.stderr)


if __name__ == "__main__":
    guarded(main)
