"""Replay searchers on finished grids, to see what a short search loses against the whole grid.

    python benchmarks/search.py --json benchmarks/search.json --figure benchmarks/search.svg \
        > benchmarks/search.md

Reads benchmarks/grids/*.csv, or the grids given with --grid (columns lr, l2_decay,
label_smoothing, mixup, objective and optionally test). Every searcher makes searches of 20 trials
on variants of the grid, which have new noise and moved learning rates, and on the grid as recorded.
The first k of the 20 trials count as a search of k trials. Without --grid, it then searches
functions of intervals and measures the time of a proposal. Finished searches are kept under
runs/search/, so an interrupted run continues. Scikit-optimize and Optuna's Gaussian process make
fewer searches, because each takes seconds. Needs the extra "benchmarks".
"""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import numpy as np
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from tqdm import tqdm

from pipeline.base.arguments import documented
from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.reporting.published import table1
from pipeline.search.grid import FinishedGrid, Index
from pipeline.search.replay import Searcher, gaps, losses_on_test
from pipeline.settings.command_line import guarded
from searchers.comparison import Replays, Table
from searchers.figure import draw
from searchers.intervals import SEARCHERS as ON_INTERVALS
from searchers.intervals import intervals
from searchers.peers import SEARCHERS, Sweeper, portfolio
from searchers.speed import speeds
from searchers.summary import Comparison, markdown, summary
from searchers.traces import search, versions
from searchers.variants import Variant, variant

ROOT = Path(__file__).resolve().parent.parent
GRIDS = ROOT / "benchmarks" / "grids"
FOLDER = ROOT / "runs" / "search"
N_TRIALS = 20
SLOW = ("skopt", "optuna-gp")
LONG = 34
"""Trials of the searches that test the stop rule; PaddleClas published up to 34 trials."""


def parser() -> argparse.ArgumentParser:
    made = documented(__doc__, json=True)
    made.add_argument("--grid", type=Path, action="append", metavar="CSV", help="repeatable")
    made.add_argument(
        "--seeds", type=int, default=200, help="variants of a grid per searcher (default 200)"
    )
    made.add_argument(
        "--few-seeds",
        type=int,
        default=20,
        help=f"the same for {' and '.join(SLOW)}, and searches of anything else (default 20)",
    )
    made.add_argument(
        "--searchers",
        nargs="+",
        default=list(SEARCHERS),
        choices=list(SEARCHERS),
        help="the first is compared with each of the others (default: all)",
    )
    made.add_argument(
        "--figure",
        type=Path,
        default=FOLDER / "search.svg",
        metavar="PATH",
        help="svg, png or pdf (default: runs/search/search.svg)",
    )
    made.add_argument("--workers", type=int, default=os.cpu_count(), help="default: all cores")
    return made


class Bench:
    """Run searches on sets of grids and show their progress under a name."""

    def __init__(self, name: str, workers: int) -> None:
        self._name, self._workers = name, workers

    def points(
        self, grids: list[FinishedGrid], searchers: Mapping[str, Searcher], n_trials: int
    ) -> dict[str, list[list[Index]]]:
        """Return the points that each searcher tries, a row per grid."""
        made = search(
            grids,
            searchers,
            n_trials=min(n_trials, grids[0].size),
            folder=FOLDER,
            workers=self._workers,
        )
        total = len(grids) * len(searchers)
        traces = {
            (searcher, seed): points
            for searcher, seed, points in tqdm(made, desc=self._name, total=total, unit="search")
        }
        return {name: [traces[name, seed] for seed in range(len(grids))] for name in searchers}


def table(grids: list[FinishedGrid], traces: list[list[Index]]) -> Table:
    return np.array([gaps(grid, points) for grid, points in zip(grids, traces, strict=True)])


def compared(
    name: str,
    grid: FinishedGrid,
    searchers: Mapping[str, Searcher],
    seeds: int,
    few: int,
    cores: int,
) -> Comparison:
    """Run all searches on a grid: on ``seeds`` variants, slow searchers on only ``few`` of them."""
    bench = Bench(name, cores)
    recorded = {}
    for searcher, traces in bench.points([grid] * few, searchers, N_TRIALS).items():
        loss = None
        if grid.test is not None:
            loss = np.array([losses_on_test(grid, points) for points in traces])
        recorded[searcher] = Replays(table([grid] * few, traces), loss)
    variants = [variant(grid, seed) for seed in range(seeds)]
    grids = [each.grid for each in variants]
    slow = {name: searchers[name] for name in SLOW if name in searchers}
    quick = {name: each for name, each in searchers.items() if name not in slow}
    tried = bench.points(grids[:few], slow, N_TRIALS) | bench.points(grids, quick, N_TRIALS)
    starts: dict[str, dict[str, Table]] = {}
    if grid.fixed_scheme is not None:
        plain = [variant(grid, seed, shift=0).grid for seed in range(few)]
        for searcher, ours in searchers.items():
            if isinstance(ours, Sweeper) and not ours.first:
                rates = {f"{v:g}": replace(ours, start=i) for i, v in enumerate(grid.values["lr"])}
                made = bench.points(plain, rates, N_TRIALS)
                starts[searcher] = {rate: table(plain, traces) for rate, traces in made.items()}
    first = next(iter(searchers))
    long = bench.points(grids, {first: searchers[first]}, LONG)[first]
    foreseen = list(map(oracle, variants, tried[first]))
    return Comparison(
        recorded,
        {n: Replays(table(grids[: len(tried[n])], tried[n]), None) for n in searchers},
        {n: np.array(list(map(regrets, variants, tried[n]))) for n in searchers},
        (
            table(grids[: len(foreseen)], foreseen),
            np.array(list(map(regrets, variants, foreseen))),
        ),
        starts,
        table(grids, long),
        np.array(list(map(regrets, variants, long))),
    )


def oracle(variant: Variant, points: list[Index]) -> list[Index]:
    """Return the points of a search that makes the same walk and then knows the smooth fit.

    The walk ends before the first point that differs from the start in more than the learning rate.
    """
    axis = list(variant.grid.values).index("lr")
    start = np.delete(points[0], axis)
    walk = takewhile(lambda point: np.array_equal(np.delete(point, axis), start), points)
    truth = replace(variant.grid, objective=variant.truth)
    return list(dict.fromkeys([*walk, *portfolio(variant.grid, [truth]).points]))[: len(points)]


def regrets(variant: Variant, points: list[Index]) -> list[float]:
    """Return the loss without noise of the best point so far, in accuracy points, per trial."""
    lost, chosen = [], points[0]
    for point in points:
        if variant.grid.objective[point] > variant.grid.objective[chosen]:
            chosen = point
        lost.append(100 * float(variant.truth.max() - variant.truth[chosen]))
    return lost


def with_portfolio(
    searchers: Mapping[str, Searcher], grid: FinishedGrid, own: Path
) -> dict[str, Searcher]:
    """Add searchers that know the other recorded grids with the same values."""
    paths = [path for path in sorted(GRIDS.glob("*.csv")) if path.stem != own.stem]
    others = [other for other in map(FinishedGrid.load, paths) if other.values == grid.values]
    if not others:
        return dict(searchers)
    known = portfolio(grid, others)
    warm = Sweeper(first=known.points[: SkoptSweeperConf().warm_start_points])
    return {**searchers, "warm start": warm, "portfolio": known}


def main() -> None:
    arguments = parser().parse_args()
    seeds, few = arguments.seeds, min(arguments.seeds, arguments.few_seeds)
    if few < 2:
        raise UserError(f"--seeds or --few-seeds {few}: an interval needs at least 2")
    paths = arguments.grid or sorted(GRIDS.glob("*.csv"))
    if not paths:
        raise UserError("benchmarks/grids holds no table; name one with --grid CSV")
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UserError(f"two grids have the same name ({', '.join(names)}); rename a file")
    grids = {path: FinishedGrid.load(path) for path in paths}
    summaries = {}
    for path, grid in grids.items():
        searchers = {name: SEARCHERS[name] for name in dict.fromkeys(arguments.searchers)}
        searchers = with_portfolio(searchers, grid, path)
        made = compared(path.stem, grid, searchers, seeds, few, arguments.workers)
        summaries[path.stem] = summary(made, grid)
    on_intervals, times = [], []
    if not arguments.grid:
        names = [name for name in arguments.searchers if name in ON_INTERVALS]
        on_intervals = intervals(names, few, FOLDER, arguments.workers)
        times = speeds()
    if arguments.json:
        content = {"seeds": seeds, "few_seeds": few, "versions": versions(), "grids": summaries}
        write_json(arguments.json, content | {"intervals": on_intervals, "speed": times})
    arguments.figure.parent.mkdir(parents=True, exist_ok=True)
    published = [(row.trials["bayes"], 100 * row.loss) for row in table1().values()]
    draw(summaries, published, arguments.figure)
    print(markdown(summaries, on_intervals, times, few, published))
    print(f"figure: {arguments.figure}", file=sys.stderr)


if __name__ == "__main__":
    guarded(main)
