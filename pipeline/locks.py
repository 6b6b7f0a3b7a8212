"""Locks between the processes of one machine, or of several that share ``runs/``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.layout import runs_dir


@contextmanager
def owning(name: str, what: str) -> Iterator[None]:
    """Be the only process that works on ``name``, a lock below ``runs/``, as :func:`alone` does."""
    folder = runs_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / f"{name}.lock", what):
        yield


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at ``path``; wait, and say so, while another process holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{what} is under way in another process; waiting for it", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
