"""The plugin that Hydra finds; Ray is imported when it runs."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class RayTasksLauncher(Launcher):
    """Each job is a Ray task; `RayTasksLauncherConf` says what the options mean."""

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = {
            name: OmegaConf.to_container(value, resolve=True)
            if OmegaConf.is_config(value)
            else value
            for name, value in options.items()
        }
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.task_function: TaskFunction | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.task_function = task_function

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs and wait for all of them; what they returned stands in their order.

        Raises ImportError without Ray, and Ray's own error for a job whose worker was lost more
        often than `options.max_retries` allows.
        """
        from ._core import launch

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.task_function is not None
        return launch(
            self.hydra_context,
            self.config,
            self.task_function,
            job_overrides,
            initial_job_idx,
            **self.options,
        )
