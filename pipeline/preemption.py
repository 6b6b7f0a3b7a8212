"""A trial in a Slurm job that is told to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
