"""Checks of the options' values; their names and types are OmegaConf's work."""

import math

from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf

from .engine import ACQUISITIONS, SURROGATES
from .errors import SweepError

CHOICES = {
    "direction": ("minimize", "maximize"),
    "surrogate": SURROGATES,
    "acquisition": ACQUISITIONS,
    "on_failure": ("impute", "skip", "raise"),
}
LEAST = {
    "seed": 0,
    "n_trials": 1,
    "patience": 1,
    "min_delta": 0,
    "max_seconds": 0,
    "batch_size": 1,
    "repeats": 1,
    "n_initial": 1,
    "warm_start_points": 1,
    "max_consecutive_failures": 1,
    "allowed_failures": 0,
}


def check(options: SkoptSweeperConf) -> None:
    """Raise a SweepError that names the first option with an impossible value."""
    _check_params(options.params)
    for name, allowed in CHOICES.items():
        if (value := getattr(options, name)) not in allowed:
            raise SweepError(f"hydra.sweeper.{name} is {value!r}; choose {' or '.join(allowed)}")
    for name, least in LEAST.items():
        value = getattr(options, name)
        if value is not None and not value >= least:
            raise SweepError(f"hydra.sweeper.{name} is {value}; it must be at least {least}")
    for name in ("target", "collapse_at"):
        value = getattr(options, name)
        if value is not None and not math.isfinite(value):
            raise SweepError(f"hydra.sweeper.{name} is {value}; it must be a finite number")
    if repeated := sorted({name for name in options.line if options.line.count(name) > 1}):
        raise SweepError(f"hydra.sweeper.line names {repeated[0]} more than once")
    if options.repeats > 1 and not options.repeat_key:
        raise SweepError(
            f"hydra.sweeper.repeats is {options.repeats}, but repeat_key does not say which "
            "override tells the runs of a trial apart; set it, for example to 'seed'"
        )


def _check_params(params: object) -> None:
    if params is None:
        return
    if not isinstance(params, dict):
        raise SweepError(
            f"hydra.sweeper.params is {params!r}; it must map each override to its sweep, such as "
            "{lr: 'choice(0.1, 0.01)'}"
        )
    for name, sweep in params.items():
        if not isinstance(sweep, str | int | float):
            raise SweepError(
                f"hydra.sweeper.params.{name} is {sweep!r}; write a sweep or a value of Hydra's "
                "override grammar as text, such as 'choice(0.1, 0.01)'"
            )
