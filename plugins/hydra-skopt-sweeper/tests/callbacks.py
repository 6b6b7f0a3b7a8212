"""A callback of Hydra for the tests."""

import inspect
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class WritesTheTasksType(Callback):
    """Leaves the type of the program's own task function in the directory of its job."""

    def on_job_start(self, config: DictConfig, *, task_function: Any = None, **_: Any) -> None:
        folder = Path(config.hydra.runtime.output_dir)
        (folder / "task.txt").write_text(type(inspect.unwrap(task_function)).__name__)
