"""Locks between the processes of one machine, or of several that share ``runs/``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from pipeline.layout import runs_dir


@contextmanager
def owning(name: str, what: str) -> Iterator[None]:
    """Be the only process that works on ``name``; wait, and say so, while another one does."""
    folder = runs_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{what} is under way in another process; waiting for it", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
