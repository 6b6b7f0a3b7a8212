"""Hydra's jobs as Ray tasks.

A job runs in the directory of the program, so every machine of a cluster needs that directory at
the same path. It gets Hydra's singletons as they are here, as with Hydra's other launchers.
"""

import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

log = logging.getLogger(__name__)


def launch(
    hydra_context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    *,
    init: Mapping[str, Any],
    options: Mapping[str, Any],
    env: Sequence[str],
) -> list[JobReturn]:
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    if not (init.get("address") or os.environ.get("RAY_ADDRESS")):
        # Read as Ray is imported: a machine that is no part of a cluster keeps to loopback.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        init = {"address": "local", "include_dashboard": False, **init}
    import ray

    if not ray.is_initialized():
        at_sigterm = signal.getsignal(signal.SIGTERM)
        ray.init(**init)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, at_sigterm)  # Ray puts a plain exit there
    log.info(f"Launching {len(job_overrides)} jobs on Ray")
    # Ray's serializer takes a program's own __main__ by value, as the task function needs.
    shared = ray.put((hydra_context, config, task_function, Singleton.get_state()))
    variables = {name: os.environ[name] for name in env if name in os.environ}
    task = ray.remote(_job).options(**options)
    running = []
    for number, overrides in enumerate(job_overrides, first):
        log.info(f"\t#{number} : {' '.join(filter_overrides(overrides))}")
        running.append(task.remote(str(Path.cwd()), variables, number, list(overrides), shared))
    returned: list[JobReturn] = ray.get(running)
    return returned


def _job(
    directory: str,
    variables: Mapping[str, str],
    number: int,
    overrides: list[str],
    shared: tuple[HydraContext, DictConfig, TaskFunction, dict[Any, Any]],
) -> JobReturn:
    hydra_context, config, task_function, state = shared
    os.chdir(directory)
    os.environ.update(variables)
    setup_globals()
    Singleton.set_state(state)
    sweep_config = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(sweep_config):
        sweep_config.hydra.job.id = f"{sweep_config.hydra.job.name}_{number}"
        sweep_config.hydra.job.num = number
    HydraConfig.instance().set_config(sweep_config)
    return run_job(
        hydra_context=hydra_context,
        task_function=task_function,
        config=sweep_config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
