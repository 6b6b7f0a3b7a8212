"""Fit a search into hours: epochs, trials, refits and image size, from timed steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.base.errors import UserError
from pipeline.base.text import duration
from pipeline.planning.timing import Speed, seconds_of
from pipeline.settings.dataset import CountsConfig
from pipeline.settings.schema import RecipeConfig

MOST_TRIALS = 25
"""The trials of the benchmark's own search."""
HOUR = 3600.0


@dataclass(frozen=True)
class _Rung:
    """A length of training, and the least number of trials for which it is worth its time."""

    epochs: int
    refits: int
    trials: int


_WHOLE = (_Rung(40, 3, MOST_TRIALS), _Rung(20, 3, 8), _Rung(12, 3, 6))
"""Tried at every image size, the largest first: a shorter search comes before smaller images."""
_PRETRAINED = (_Rung(12, 1, 3), *(_Rung(epochs, 1, 1) for epochs in range(12, 3, -1)))
"""Tried at every size, too, if the network is pretrained: what it knows are objects as large as in
its photographs, so its pixels are worth more than its trials (benchmarks/README.md)."""
_SHORT = (
    *(_Rung(8, 3, 5), _Rung(8, 1, 4), _Rung(5, 1, 4), _Rung(3, 1, 3)),
    *(_Rung(3, 1, 1), _Rung(2, 1, 1), _Rung(1, 1, 1)),
)
"""Tried at the smallest size if none of the others fits."""


@dataclass(frozen=True)
class Plan:
    """A search that fits the hours; its times are estimates in seconds."""

    side: int
    epochs: int
    trials: int
    refits: int
    trial: float
    refit: float
    total: float


def fit(
    hours: float,
    overhead: Callable[[], float],
    sides: Sequence[int],
    recipe: RecipeConfig,
    images: CountsConfig,
    measure: Callable[[int], Speed],
    *,
    pretrained: bool,
) -> Plan:
    """Return the best search that fits ``hours``.

    ``measure`` times training at an image size in pixels; it is called for each of ``sides`` in
    turn until a search fits. ``overhead`` returns the time of everything but training in seconds,
    with what the measurements so far took. Raises UserError, with the least hours, if not even one
    trial and one refit fit.
    """
    rungs = (*_WHOLE, *(_PRETRAINED if pretrained else ()))
    least = math.inf
    for side in sides:
        speed = measure(side)
        spent = overhead()
        left = hours * HOUR - spent
        for rung in (*rungs, *(_SHORT if side == sides[-1] else ())):
            trial, refit = _seconds(speed, recipe, images, rung.epochs, side)
            least = spent + trial + refit
            trials = min(MOST_TRIALS, math.floor((left - rung.refits * refit) / trial))
            if trials >= rung.trials:
                total = spent + trials * trial + rung.refits * refit
                return Plan(side, rung.epochs, trials, rung.refits, trial, refit, total)
    needed = math.ceil(least / HOUR * 100) / 100
    raise UserError(
        f"--hours {hours:g}: one trial of one epoch and its refit take about {duration(least)} "
        f"here. Give at least --hours {needed:g}"
    )


def _seconds(
    speed: Speed, recipe: RecipeConfig, images: CountsConfig, epochs: int, side: int
) -> tuple[float, float]:
    shorter = recipe.model_copy(update={"epochs": epochs, "steps": None, "image_size": side})
    return seconds_of(speed, shorter, images, paddle=False)
