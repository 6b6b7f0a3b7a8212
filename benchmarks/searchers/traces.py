"""Keep replayed searches on disk, so that an interrupted comparison continues where it stopped."""

import hashlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from hydra_skopt_sweeper import dimensions, engine, space, surrogate, walk
from joblib import Memory, Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from pipeline.search import replay
from pipeline.search.grid import FinishedGrid, Index
from pipeline.search.replay import Searcher
from searchers import peers

PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-optimize", "optuna")
OURS: Sequence[ModuleType] = (engine, surrogate, walk, dimensions, space, replay)


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a searcher does."""
    numbers = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            numbers[package] = version(package)
        except PackageNotFoundError:
            numbers[package] = "absent"
    return numbers


def search(
    grids: Sequence[FinishedGrid],
    searchers: Mapping[str, Searcher],
    *,
    n_trials: int,
    folder: Path,
    workers: int,
) -> Iterator[tuple[str, int, list[Index]]]:
    """Search each grid under its number as the seed; yields searcher, seed and points tried.

    Searches that ``folder`` holds from an earlier run are not made again, as long as the grid, the
    searcher and the version of the code are the same.

    Raises:
        UserError: a grid is smaller than ``n_trials``, or a searcher's library is missing.
    """
    kept = Memory(folder, verbose=0).cache(_search)
    jobs = (
        delayed(_numbered)(kept, name, seed, grid, searcher, n_trials, code_of(searcher))
        for seed, grid in enumerate(grids)
        for name, searcher in searchers.items()
    )
    with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        yield from Parallel(return_as="generator_unordered")(jobs)


def _numbered(
    kept: Searcher,
    name: str,
    seed: int,
    grid: FinishedGrid,
    searcher: Searcher,
    n_trials: int,
    code: str,
) -> tuple[str, int, list[Index]]:
    return name, seed, kept(grid, searcher, n_trials, seed, code)  # type: ignore[call-arg, func-returns-value]


def _search(
    grid: FinishedGrid, searcher: Searcher, n_trials: int, seed: int, code: str
) -> list[Index]:
    with threadpool_limits(limits=1):  # a search's bits depend on it
        return replay.trace(grid, searcher, n_trials=n_trials, seed=seed)


def code_of(searcher: Searcher) -> str:
    """A digest of the code and the versions that decide what a searcher does."""
    return digest(*(OURS if isinstance(searcher, peers.Sweeper) else (peers,)))


def digest(*modules: ModuleType) -> str:
    """A digest of the versions of the packages and of the source of these modules."""
    facts = json.dumps([versions(), [inspect.getsource(module) for module in modules]])
    return hashlib.sha256(facts.encode()).hexdigest()
