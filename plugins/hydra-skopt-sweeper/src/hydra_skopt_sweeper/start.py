"""From options and arguments to a running sweep, new or resumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from omegaconf import DictConfig, OmegaConf

from .engine import Engine
from .errors import SweepError
from .initial import initial_points
from .loop import Launch, Sweep
from .options import check
from .records import Trial, forget, read_results, read_table
from .rules import failures_in_a_row, sign
from .space import Space, build_space

DECISIVE = (
    "direction",
    "seed",
    "batch_size",
    "repeats",
    "repeat_key",
    "n_initial",
    "surrogate",
    "acquisition",
    "on_failure",
    "collapse_at",
)
"""The options that decide what is proposed; those that only decide when to stop may change."""


def start(
    options: dict[str, Any],
    arguments: Sequence[str],
    *,
    config: DictConfig,
    config_loader: ConfigLoader,
    launch: Launch,
) -> list[Sequence[JobReturn]]:
    """Check everything that can be checked, then sweep.

    Raises:
        SweepError: nothing was launched yet, or too many trials failed.
    """
    checked = SkoptSweeperConf(**options)
    check(checked)
    space = build_space(checked.params or {}, arguments, config_loader)
    if checked.repeat_key in [parameter.key for parameter in space.parameters]:
        raise SweepError(f"hydra.sweeper.repeat_key is {checked.repeat_key}, which is swept")
    points = initial_points(checked, space)
    engine = Engine(
        space.dimensions,
        seed=checked.seed,
        n_initial=checked.n_initial,
        initial_points=points,
        acquisition=checked.acquisition,
        surrogate=checked.surrogate,
        impute_failures=checked.on_failure != "skip",
        collapse_at=(
            None if checked.collapse_at is None else sign(checked.direction) * checked.collapse_at
        ),
    )
    search = {
        "space": {parameter.key: parameter.sweep for parameter in space.parameters},
        "overrides": list(space.fixed),
        "initial_points": [space.texts(point) for point in points],
        **{name: getattr(checked, name) for name in DECISIVE},
    }
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    recorded = _resumed(folder, search, space) if checked.resume else []
    if not recorded:
        forget(folder)
    OmegaConf.save(config, folder / "multirun.yaml")
    sweep = Sweep(checked, space, engine, folder, launch, recorded=recorded, search=search)
    return sweep.run()


def _resumed(folder: Path, search: dict[str, Any], space: Space) -> list[Trial]:
    """The trials to keep; the failures at the end of the table are tried again.

    Raises:
        SweepError: the table in the folder belongs to another search.
    """
    trials = read_table(folder, [parameter.name for parameter in space.parameters])
    if not trials:
        return []
    before = read_results(folder).get("search") or {}
    for name, value in search.items():
        if name not in before or before[name] != value:
            raise SweepError(
                f"cannot resume the sweep in {folder}: {name} was {before.get(name)!r} and is "
                f"{value!r}; set it back, or sweep without hydra.sweeper.resume"
            )
    return trials[: len(trials) - failures_in_a_row(trials)]
