"""Decide which trial is best and when a sweep stops, from the trials so far."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf

from .records import Trial


def sign(direction: str) -> float:
    """Return the factor, 1 or -1, that turns an objective into a value to be maximised."""
    return 1.0 if direction == "maximize" else -1.0


def best_trial(trials: Sequence[Trial], direction: str) -> Trial | None:
    """Return the best finished trial; among equals, the first."""
    finished = [trial for trial in trials if trial.objective is not None]
    return max(finished, key=lambda t: sign(direction) * (t.objective or 0.0), default=None)


def failures_in_a_row(trials: Sequence[Trial]) -> int:
    """Count the failures at the end of the trials."""
    return sum(1 for _ in takewhile(lambda trial: trial.failed, reversed(trials)))


def gave_up(options: SkoptSweeperConf, trials: Sequence[Trial]) -> bool:
    """Return whether too many trials in a row failed."""
    limit = options.max_consecutive_failures
    return limit is not None and failures_in_a_row(trials) >= limit


def stop_reason(
    options: SkoptSweeperConf, trials: Sequence[Trial], *, exhausted: bool, seconds: float
) -> str | None:
    """Return why the sweep must stop, in words; None to continue.

    Args:
        exhausted: whether every point of the space was tried.
        seconds: how long the sweep has run.
    """
    if gave_up(options, trials):
        return f"{failures_in_a_row(trials)} trials in a row failed"
    if options.target is not None and (best := best_trial(trials, options.direction)):
        towards = sign(options.direction)
        if towards * (best.objective or 0.0) >= towards * options.target:
            return f"target {options.target} reached"
    if exhausted:
        return f"all {len(trials)} points evaluated"
    if len(trials) >= options.n_trials:
        return f"{options.n_trials} trials made"
    if options.patience is not None:
        towards = sign(options.direction)
        values = [None if t.objective is None else towards * t.objective for t in trials]
        idle = [0, *idle_trials(values, options.min_delta)][-1]
        if idle >= options.patience:
            above = f" above {options.min_delta}" if options.min_delta else ""
            return f"no gain{above} in {idle} trials"
    if options.max_seconds is not None and seconds >= options.max_seconds:
        return f"{options.max_seconds} seconds passed"
    return None


def idle_trials(values: Iterable[float | None], min_delta: float) -> Iterator[int]:
    """Yield after each value how many trials ago the best last grew by more than ``min_delta``.

    Larger is better; None is a failed trial, which counts as one without a gain.
    """
    best, idle = -math.inf, 0
    for value in values:
        idle += 1
        if value is not None and value > best + min_delta:
            best, idle = value, 0
        yield idle
