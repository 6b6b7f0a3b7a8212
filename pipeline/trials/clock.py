"""Count the time that a search has taken, over all processes that worked on it.

The count is in a file beside the sweep's folder. It decides when a search with ``max_hours`` ends,
but no number of any trial.
"""

import json
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

_PROCESSES_AFTER = 2
"""The stages evaluate and report come after a search, and each needs time to start, too."""
_TICK_SECONDS = 2.0
"""A killed process loses at most this much of the count."""


@dataclass(frozen=True)
class Clock:
    """What the file holds; times are in seconds."""

    key: str
    """A digest of what the search computes; another search starts its count at 0."""
    seconds: float
    start_up: float
    """Time from the start of the last process to its first trial."""


def clock_file(sweep: Path) -> Path:
    """Return the path of the count of the sweep in the folder ``sweep``."""
    return sweep.with_name(f".{sweep.name}.clock.json")


@contextmanager
def counting(cfg: Config, resources: Resources, sweep: Path) -> Iterator[None]:
    """Count the time until the block ends, if the search has ``max_hours``.

    The count begins at the start of the command that led to this process. It is added to the
    earlier count of ``sweep`` if that was the same search. With more hours or more trials it is the
    same; with another space, first point or objective, which lead to other trials, it is not.
    """
    if not _has_limit(cfg):
        yield
        return
    plain = identity(cfg, Purpose.SEARCH, resources.environment)
    path = clock_file(sweep)
    key = key_of([plain, cfg.space.model_dump(), cfg.objective])
    process = psutil.Process().create_time()
    began = float(os.environ.get(STARTED) or process)
    start_up = time.time() - process
    before = _read(path)
    earlier = before.seconds if before and before.key == key else 0.0
    done = threading.Event()

    def write() -> None:
        clock = Clock(key, earlier + time.time() - began, start_up)
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

    ``trials`` are those of the sweep so far. The mean time of those that gave a measurement says
    how long a trial takes, because one that diverges ends early. Until there is one, there is
    always time.
    """
    results = [trial.result for trial in trials if trial.result]
    seconds = [result.seconds for result in results if result.metrics is not None]
    clock = _read(clock_file(sweep))
    if not _has_limit(cfg) or clock is None or not seconds:
        return
    assert cfg.search.max_hours is not None
    needed = fmean(seconds) * (1 + _trials_after(cfg))
    left = cfg.search.max_hours * 3600 - clock.seconds - _PROCESSES_AFTER * clock.start_up
    if left < needed:
        raise StopSweep(
            f"search.max_hours={cfg.search.max_hours:g} is used up: {duration(max(left, 0))} are "
            f"left, one more trial and the refits take {duration(needed)}"
        )


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
