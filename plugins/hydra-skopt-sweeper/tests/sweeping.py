"""What the sweeper's tests share: three ways to sweep, and the files a sweep leaves."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.utils import JobReturn, JobStatus
from hydra.test_utils.test_utils import SweepTaskFunction
from hydra_skopt_sweeper.space import parse_value
from hydra_skopt_sweeper.start import start
from omegaconf import OmegaConf

APP = Path(__file__).parent / "app.py"

PARAMS = {
    "lr": "choice(0.1, 0.03, 0.01, 0.003, 0.001)",
    "decay": "choice(1e-3, 1e-4, 1e-5)",
    "mixup": "true, false",
}

Sweep = Callable[..., AbstractContextManager[SweepTaskFunction]]
"""A sweep through Hydra itself; see the fixture `sweep`."""


def sweep_here(
    folder: Path,
    task: Callable[[Any], Any],
    arguments: Sequence[str] = (),
    **options: Any,
) -> list[Sequence[JobReturn]]:
    """Sweep `PARAMS` without composing a configuration for each job, which takes most of the time.

    The task gets its overrides as attributes.
    """

    def launch(batch: list[list[str]], first: int) -> list[JobReturn]:
        return [job(overrides, first + i) for i, overrides in enumerate(batch)]

    def job(overrides: list[str], number: int) -> JobReturn:
        output = {"hydra": {"runtime": {"output_dir": str(folder / str(number))}}}
        done = JobReturn(overrides=overrides, hydra_cfg=OmegaConf.create(output))
        pairs = (override.lstrip("+").split("=", 1) for override in overrides)
        try:
            done.return_value = task(SimpleNamespace(**{k: parse_value(v) for k, v in pairs}))
            done.status = JobStatus.COMPLETED
        except Exception as error:
            done.return_value = error
            done.status = JobStatus.FAILED
        return done

    return start(
        {"params": PARAMS, "direction": "maximize", "surrogate": "random", **options},
        arguments,
        config=OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}}),
        config_loader=ConfigLoaderImpl(ConfigSearchPathImpl()),
        launch=launch,
    )


def run_app(folder: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Sweep the app in `folder` in a process of its own."""
    return subprocess.run(
        [sys.executable, str(APP), "--multirun", f"hydra.sweep.dir={folder}", *overrides],
        cwd=folder.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of `sweep.csv`."""
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_results(folder: Path) -> dict[str, Any]:
    """The content of `optimization_results.yaml`."""
    content = yaml.safe_load((folder / "optimization_results.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def timeless(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows without what a clock measured."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
