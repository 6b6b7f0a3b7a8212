"""The plugin that Hydra finds; what it does is imported when it runs."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class SkoptSweeper(Sweeper):
    """Bayesian search with a Gaussian process on scikit-optimize's kernels and dimensions;
    `SkoptSweeperConf` says what the options mean.
    """

    def __init__(self, **options: Any) -> None:
        self.options = {
            name: OmegaConf.to_container(value, resolve=True)
            if OmegaConf.is_config(value)
            else value
            for name, value in options.items()
        }
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.loader: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        from hydra.core.plugins import Plugins

        from hydra_skopt_sweeper.composing import ComposedOnce
        from hydra_skopt_sweeper.timing import Timed

        self.loader = ComposedOnce(hydra_context.config_loader)
        self.hydra_context = HydraContext(self.loader, hydra_context.callbacks)
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context, task_function=Timed(task_function), config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Run the sweep; returns the launched jobs, a sequence per batch.

        Raises:
            SweepError: a bad option or space, or too many failed trials.
        """
        from hydra_skopt_sweeper.start import start

        assert self.config is not None
        assert self.hydra_context is not None
        return start(
            self.options,
            arguments,
            config=self.config,
            config_loader=self.hydra_context.config_loader,
            launch=self._launch,
        )

    def _launch(self, batch: list[list[str]], first: int) -> Sequence[JobReturn]:
        assert self.launcher is not None
        self.loader.check(self.config, batch)
        return self.launcher.launch(batch, initial_job_idx=first)
