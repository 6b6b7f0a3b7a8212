"""One sweep at a time in a directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import SweepError

LOCK = ".sweep.lock"


@contextmanager
def only_sweep_in(folder: Path) -> Iterator[None]:
    """Hold the directory while the block runs; the system frees it when the process ends.

    Raises:
        SweepError: another process sweeps there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise SweepError(
            f"another sweep is running in {folder}; wait for it to end, or choose another "
            "hydra.sweep.dir"
        ) from None
