"""Replayed searches kept on disk, so that an interrupted comparison goes on where it stopped."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hydra_skopt_sweeper import dimensions, engine, space, surrogate
from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from benchmarks.searchers import peers
from pipeline.search import replay
from pipeline.search.grid import FinishedGrid, Index

PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-optimize", "optuna")


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a searcher does."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def search(
    grid: FinishedGrid,
    searchers: Sequence[str],
    *,
    seeds: int,
    n_trials: int,
    folder: Path,
    workers: int,
) -> Iterator[tuple[str, int, list[Index]]]:
    """Yield searcher, seed and points tried, those already in ``folder`` first.

    A file there belongs to one grid, searcher, number of trials and version of the code; it grows
    by one line per search.

    Raises:
        UserError: the grid is smaller than ``n_trials``, or a searcher's library is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{_key(grid, name, n_trials)}.jsonl" for name in searchers}
    wanted = {(seed, name) for seed in range(seeds) for name in searchers}
    for name, file in files.items():
        for seed, points in _read(file, n_trials):
            if (seed, name) in wanted:
                wanted.discard((seed, name))
                yield name, seed, points
    jobs = (delayed(_search)(grid, name, n_trials, seed) for seed, name in sorted(wanted))
    with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        for name, seed, points in Parallel(return_as="generator_unordered")(jobs):
            with files[name].open("a") as lines:
                lines.write("\n" + json.dumps([seed, points]))  # after half a line, if need be
            yield name, seed, points


def _search(
    grid: FinishedGrid, name: str, n_trials: int, seed: int
) -> tuple[str, int, list[Index]]:
    with threadpool_limits(limits=1):  # a search's bits depend on it
        return name, seed, replay.trace(grid, peers.SEARCHERS[name], n_trials=n_trials, seed=seed)


def _read(file: Path, n_trials: int) -> Iterator[tuple[int, list[Index]]]:
    """Whole lines of a file that may end in half of one."""
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            seed, points = json.loads(line)
        except ValueError:
            continue
        if len(points) == n_trials:
            yield seed, [tuple(point) for point in points]


def _key(grid: FinishedGrid, name: str, n_trials: int) -> str:
    """Names the file: whatever could change a search is in it."""
    modules = (engine, surrogate, dimensions, space, replay) if name == "sweeper" else (peers,)
    sources = [inspect.getsource(module) for module in modules]
    values = {key: list(map(repr, column)) for key, column in grid.values.items()}
    facts = json.dumps([values, grid.objective.tolist(), n_trials, versions(), sources])
    return f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
