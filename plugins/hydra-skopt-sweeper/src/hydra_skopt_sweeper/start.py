"""Start a sweep, new or resumed, from its options and arguments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from omegaconf import DictConfig, OmegaConf

from .dimensions import Point
from .engine import Engine
from .errors import SweepError
from .exclusive import only_sweep_in
from .initial import initial_points, line
from .loop import Launch, Sweep
from .options import check
from .resumption import recorded_order, recorded_trials, require_no_record, search_of
from .rules import sign
from .space import Space, build_space


def start(
    options: dict[str, Any],
    arguments: Sequence[str],
    *,
    config: DictConfig,
    config_loader: ConfigLoader,
    launch: Launch,
) -> list[Sequence[JobReturn]]:
    """Check options, space and directory, then sweep; return the launched jobs.

    Raises:
        SweepError: a check failed and nothing was launched, or too many trials failed.
    """
    checked = SkoptSweeperConf(**options)
    check(checked)
    space = build_space(checked.params or {}, arguments, config_loader)
    if checked.repeat_key in [parameter.key for parameter in space.parameters]:
        raise SweepError(f"hydra.sweeper.repeat_key is {checked.repeat_key}, which is swept")
    initial_points(checked, space)  # refuses a wrong one before anything is written
    line(checked, space)
    folder = Path(config.hydra.sweep.dir)
    with only_sweep_in(folder):
        if checked.resume:
            space = recorded_order(folder, space)
        else:
            require_no_record(folder)
        points = initial_points(checked, space)
        search = search_of(checked, space, points)
        recorded = (
            recorded_trials(folder, search, space, checked.resume_ignoring)
            if checked.resume
            else []
        )
        OmegaConf.save(config, folder / "multirun.yaml")
        engine = build_engine(checked, space, points)
        sweep = Sweep(checked, space, engine, folder, launch, recorded=recorded, search=search)
        return sweep.run()


def build_engine(options: SkoptSweeperConf, space: Space, points: Sequence[Point]) -> Engine:
    """Make the engine of a sweep over `space` that begins with `points`.

    Raises:
        SweepError: `line` names no list of ordered values of the space.
    """
    collapse_at = options.collapse_at
    return Engine(
        space.dimensions,
        seed=options.seed,
        n_initial=max(options.n_initial, options.batch_size),
        initial_points=points,
        line=line(options, space),
        acquisition=options.acquisition,
        surrogate=options.surrogate,
        impute_failures=options.on_failure != "skip",
        collapse_at=None if collapse_at is None else sign(options.direction) * collapse_at,
    )
