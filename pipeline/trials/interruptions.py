"""Handle what may end a trial early: its time limit, SIGTERM, and preemption by Slurm."""

import faulthandler
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GRACE_SECONDS = 60.0
"""Seconds after which a trial stuck in C code, which cannot receive the exception, is killed."""


class TrialTooLongError(Exception):
    """The trial ran longer than ``tune.max_trial_seconds``."""


@contextmanager
def time_limit(seconds: float | None, trace: Path) -> Iterator[None]:
    """Raise TrialTooLongError in the block after ``seconds``; None sets no limit.

    If the block does not receive the exception, its process is killed ``GRACE_SECONDS`` later and
    ``trace`` holds a traceback, as after a crash. Otherwise ``trace`` stays empty. Outside the main
    thread no exception is raised, and only this last resort works.
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
            try:
                if hears:  # the alarm may still come here, too
                    signal.setitimer(signal.ITIMER_REAL, 0)
            finally:
                if hears:
                    signal.signal(signal.SIGALRM, before)
                faulthandler.cancel_dump_traceback_later()


def interrupt(*_: object) -> None:
    """Raise KeyboardInterrupt, as Ctrl-C does; a signal handler for SIGTERM."""
    raise KeyboardInterrupt


@contextmanager
def finishing() -> Iterator[None]:
    """Delay a SIGTERM to the end of the block; a second SIGTERM interrupts at once.

    While it trains, Lightning has its own handler: it writes a checkpoint and stops the trial.
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
    """After a SIGTERM within the block, wait for Slurm to end this job; do nothing elsewhere.

    Slurm sends SIGTERM some time before it ends a preempted job and queues it again. A job that
    exits on its own in that time counts as failed and is not queued again. A cancelled job is ended
    within seconds. The trial's run is already closed while we wait.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        requeued = type(stop.__cause__) is SystemExit  # by submitit, at a SIGUSR2
        terminated = stop.__cause__ is not None and not requeued
        while terminated and os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
            signal.pause()
        raise
