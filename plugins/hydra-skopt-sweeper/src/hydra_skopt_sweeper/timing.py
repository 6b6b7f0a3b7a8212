"""Measure how long a job's task function runs, in the job itself.

A launcher returns a batch as a whole, so the sweeper cannot measure one job from outside. The job
writes its time to its directory, and the sweeper reads it there.
"""

import time
from contextlib import suppress
from functools import update_wrapper
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import TaskFunction

_SECONDS = ".seconds"


class Timed:
    """A task function that also writes how many seconds it took into its job's directory."""

    def __init__(self, task_function: TaskFunction) -> None:
        update_wrapper(self, task_function)  # callbacks of Hydra may look at it
        self.task_function = task_function

    def __call__(self, config: Any) -> Any:
        began = time.monotonic()
        try:
            return self.task_function(config)
        finally:
            seconds = time.monotonic() - began
            with suppress(OSError):  # a full disk must not hide what the task says
                folder = Path(HydraConfig.get().runtime.output_dir)
                (folder / _SECONDS).write_text(repr(seconds), encoding="ascii")


def taken_seconds(folder: Path) -> float | None:
    """Return the seconds that the job in this directory took, None if unknown; remove its file."""
    path = folder / _SECONDS
    try:
        seconds = float(path.read_text(encoding="ascii"))
        path.unlink()
    except (OSError, ValueError):
        return None
    return seconds
