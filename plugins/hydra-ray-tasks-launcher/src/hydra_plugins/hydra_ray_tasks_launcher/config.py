"""The options of the launcher, registered as `hydra/launcher=ray_tasks`.

No postponed annotations here: Hydra runs a plugin's modules before it adds them to `sys.modules`,
where a dataclass would look up its annotations.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class RayTasksLauncherConf:
    _target_: str = "hydra_plugins.hydra_ray_tasks_launcher.ray_tasks_launcher.RayTasksLauncher"

    # What ray.init() is called with. Without an address, here or in RAY_ADDRESS, Ray starts on
    # this machine, on loopback and without its dashboard, and ends with the program.
    init: dict[str, Any] = field(default_factory=dict)

    # What each job is as a Ray task: num_cpus, num_gpus, max_retries, ...
    options: dict[str, Any] = field(default_factory=dict)

    # Environment variables that the jobs get with the values they have here, if they have one.
    env: list[str] = field(default_factory=list)


ConfigStore.instance().store(
    group="hydra/launcher",
    name="ray_tasks",
    node=RayTasksLauncherConf,
    provider="hydra_ray_tasks_launcher",
)
