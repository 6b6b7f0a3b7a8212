"""Count the time that a search has taken, over all processes that worked on it.

The count is in a file beside the sweep's folder. It decides when a search with ``max_hours`` ends
and how many refits follow, but no number of any trial.
"""

import json
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import psutil
from hydra_skopt_sweeper.errors import StopSweep

from pipeline.base.files import write_json
from pipeline.base.text import duration
from pipeline.settings.machine import STARTED
from pipeline.settings.schema import Config
from pipeline.training.data import Purpose
from pipeline.trials.contract import Trial
from pipeline.trials.identity import identity, key_of
from pipeline.trials.resources import Resources, find_resources

_STARTS_AFTER_SEARCH, _STARTS_AFTER_REFITS = 4, 3
"""What follows the trials, apart from refits, in times that tune took to start: evaluate starts and
packages the model, decide and report start. It is measured in docs/decisions/budget.md."""
_TICK_SECONDS = 2.0
"""A killed process loses at most this much of the count."""


@dataclass(frozen=True)
class Clock:
    """What the file holds; times are in seconds."""

    key: str
    """A digest of what the search computes; another search starts its count at 0."""
    began: float
    """Start of the command that counts at present, since 1970."""
    earlier: float
    """Time that the commands before it took."""
    seconds: float
    """Time that all of them took so far."""
    start_up: float
    """Time that the last process that searched took to start, without waiting for another."""


def clock_file(sweep: Path) -> Path:
    """Return the path of the count of the sweep in the folder ``sweep``."""
    return sweep.with_name(f".{sweep.name}.clock.json")


@contextmanager
def counting(cfg: Config, resources: Resources, sweep: Path, ready: float) -> Iterator[None]:
    """Count the time of a search until the block ends, if the search has ``max_hours``.

    The count begins at the start of the command that led to this process. It is added to the
    earlier count of ``sweep`` if that was the same search. With more hours or more trials it is the
    same; with another space, first point or objective, which lead to other trials, it is not.
    ``ready`` is when this process could have searched, in seconds since 1970.
    """
    if not _has_limit(cfg):
        yield
        return
    plain = identity(cfg, Purpose.SEARCH, resources.environment)
    key = key_of([plain, cfg.space.model_dump(), cfg.objective])
    start_up = ready - psutil.Process().create_time()
    before = _read(clock_file(sweep))
    same = before if before and before.key == key else None
    with _ticking(clock_file(sweep), key, start_up, same):
        yield


@contextmanager
def counting_on(cfg: Config, sweep: Path) -> Iterator[None]:
    """Count the time after a search, until the block ends, if the search has ``max_hours``."""
    before = _read(clock_file(sweep))
    if not _has_limit(cfg) or before is None:
        yield
        return
    with _ticking(clock_file(sweep), before.key, before.start_up, before):
        yield


@contextmanager
def _ticking(path: Path, key: str, start_up: float, before: Clock | None) -> Iterator[None]:
    """Write the count every few seconds until the block ends, on top of what ``before`` counted."""
    began = float(os.environ.get(STARTED) or psutil.Process().create_time())
    earlier = 0.0
    if before is not None:
        # An earlier stage of this command began at the same moment, and a command that this one
        # waited for has overlapped with it. Such time counts once.
        ended = before.began + before.seconds - before.earlier
        earlier = before.seconds - max(0.0, ended - began)
    done = threading.Event()

    def write() -> None:
        clock = Clock(key, began, earlier, earlier + time.time() - began, start_up)
        with suppress(OSError):  # on a full disk the trial itself reports the error
            write_json(path, asdict(clock))

    def tick() -> None:
        while not done.wait(_TICK_SECONDS):
            write()

    write()
    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        write()


def require_time(cfg: Config, sweep: Path, trials: Sequence[Trial]) -> None:
    """Raise StopSweep if another trial would leave too little time for what evaluate trains.

    ``trials`` are those of the sweep so far. Those that diverged say nothing about the time of a
    trial, because they end early. Until one gave a measurement, there is always time.
    """
    results = [trial.result for trial in trials if trial.result and trial.result.metrics]
    seconds = [each.seconds for each in sorted(results, key=lambda each: each.finished)]
    if seconds:
        needed = _expected(seconds) * (1 + _trials_after(cfg))
        what = "one more trial, the refits, the model and the report"
        _require(cfg, sweep, needed, what, _STARTS_AFTER_SEARCH)


def require_refit_time(
    cfg: Config, sweep: Path, seconds: Sequence[float], share: float = 1.0
) -> None:
    """Raise StopSweep if another refit would end too late.

    ``share`` is less than 1 if it trains on a share of the images, or the number of several refits.
    ``seconds`` are the times of the refits so far; without one there is always time.
    """
    if seconds:
        needed = share * _expected(seconds)
        what = f"{'this training' if share <= 1 else 'these trainings'} and the report"
        _require(cfg, sweep, needed, what, _STARTS_AFTER_REFITS)


def seconds_left(cfg: Config, sweep: Path) -> float:
    """Return the time until the deadline; infinite if the search has none."""
    clock = _read(clock_file(sweep))
    return math.inf if clock is None else _left(cfg, clock)


def _expected(seconds: Sequence[float]) -> float:
    """Return the time to expect of the next training; the machine may have become slower."""
    return max(fmean(seconds), seconds[-1])


def _require(cfg: Config, sweep: Path, trainings: float, what: str, starts: int) -> None:
    clock = _read(clock_file(sweep))
    if clock is None:
        return
    left, needed = _left(cfg, clock), trainings + starts * clock.start_up
    if left < needed:
        raise StopSweep(
            f"search.max_hours={cfg.search.max_hours:g}: {duration(max(left, 0))} are left, but "
            f"{what} take {duration(needed)}"
        )


def _left(cfg: Config, clock: Clock) -> float:
    if cfg.search.max_hours is None or not _has_limit(cfg):
        return math.inf
    return cfg.search.max_hours * 3600 - clock.seconds


def _trials_after(cfg: Config) -> float:
    """Return how many trials take as long as what evaluate trains: refits and shares."""
    if cfg.protocol.name == "paddle":
        return 0
    rows = find_resources(cfg).manifest.rows
    refit = len(rows(["train", "val"])) / len(rows(["train"]))
    return len(cfg.evaluate.first_seeds) * refit + sum(cfg.evaluate.train_shares)


def _has_limit(cfg: Config) -> bool:
    return cfg.search.max_hours is not None and cfg.strategy.name in ("bayes", "random")


def _read(path: Path) -> Clock | None:
    """Read a count; None if there is none, or none that can be read."""
    try:
        return Clock(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
