"""Sweeps in this process, through Hydra's own fixture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hypothesis import HealthCheck, settings
from sweeping import APP, Sweep

# Hydra's fixture restores what is registered now, and Hydra 1.4 imports no plugin a second time.
Plugins.instance()

# The machine may be busy, and the same code has the same examples in every run.
settings.register_profile(
    "untimed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


@pytest.fixture
def sweep(hydra_restore_singletons: None, hydra_sweep_runner: Any, tmp_path: Path) -> Sweep:
    """Starts a sweep of `task` in `tmp_path / "sweep"`, which goes when the context ends."""

    def start(task: Callable[[Any], Any], *overrides: str) -> Any:
        return hydra_sweep_runner(
            calling_file=str(APP),
            calling_module=None,
            task_function=task,
            config_path=".",
            config_name="app",
            overrides=list(overrides),
            temp_dir=tmp_path / "sweep",
        )

    return start
