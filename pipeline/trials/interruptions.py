"""What may end a trial early: its time limit, SIGTERM, and Slurm, which sends SIGTERM."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GRACE_SECONDS = 60.0
"""What hangs outside Python, where no exception arrives, loses its process so much later."""


class TrialTooLongError(Exception):
    """The trial passed ``tune.max_trial_seconds``."""


@contextmanager
def time_limit(seconds: float | None, trace: Path) -> Iterator[None]:
    """Raise TrialTooLongError in the block after ``seconds``; None sets no limit.

    A block that does not hear of it ends its process ``GRACE_SECONDS`` later and leaves ``trace``,
    as a crash does; else the file stays empty. Outside the main thread only this last resort is
    there.
    """
    if seconds is None:
        yield
        return

    def late(*_: object) -> None:
        raise TrialTooLongError(f"longer than tune.max_trial_seconds ({seconds:g} s)")

    hears = threading.current_thread() is threading.main_thread()
    trace.parent.mkdir(parents=True, exist_ok=True)
    with trace.open("a") as file:
        faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=file)
        before = signal.signal(signal.SIGALRM, late) if hears else None
        try:
            if hears:
                signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            if hears:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()


def interrupt(*_: object) -> None:
    """A handler for SIGTERM: the same as Ctrl-C."""
    raise KeyboardInterrupt


@contextmanager
def finishing() -> Iterator[None]:
    """Put a SIGTERM off to the end of the block; a second one is not put off.

    Lightning hears of it all the same: a trial in training writes a checkpoint and stops.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = 0

    def put_off(*_: object) -> None:
        nonlocal received
        received += 1
        if received > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, put_off)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if received:
        signal.raise_signal(signal.SIGTERM)


@contextmanager
def left_to_slurm() -> Iterator[None]:
    """After a SIGTERM within the block, wait for Slurm to end this job; elsewhere do nothing.

    Slurm sends SIGTERM some time before it takes a preempted job away and queues it again. A job
    that leaves by itself in that time counts as failed and is not queued again; a cancelled one
    is ended within seconds. By then the trial's run is closed.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        requeued = type(stop.__cause__) is SystemExit  # by submitit, at a SIGUSR2
        told = stop.__cause__ is not None and not requeued
        while told and os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
            signal.pause()
        raise
