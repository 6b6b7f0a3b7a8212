"""Plan a search that fits the given hours, from timed training steps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.base.errors import UserError
from pipeline.base.text import duration
from pipeline.planning.timing import Speed, seconds_of
from pipeline.settings.dataset import CountsConfig
from pipeline.settings.schema import RecipeConfig

MOST_TRIALS = 25
"""Number of trials in the benchmark's own search; a plan has no more."""
HOUR = 3600.0


@dataclass(frozen=True)
class _Rung:
    """A training length in epochs, its refits, and the fewest trials that make it worthwhile."""

    epochs: int
    refits: int
    trials: int


_WHOLE = (_Rung(40, 3, MOST_TRIALS), _Rung(20, 3, 8), _Rung(12, 3, 6))
"""Tried at every image size, starting with the largest. So the search is shortened before the
images are made smaller."""
_PRETRAINED = (_Rung(12, 1, 3), *(_Rung(epochs, 1, 1) for epochs in range(12, 3, -1)))
"""Also tried at every size if the network is pretrained. Such a network knows objects at the size
that they had in its training images, so it gains more from large images than from many trials
(benchmarks/README.md)."""
_SHORT = (
    *(_Rung(8, 3, 5), _Rung(8, 1, 4), _Rung(5, 1, 4), _Rung(3, 1, 3)),
    *(_Rung(3, 1, 1), _Rung(2, 1, 1), _Rung(1, 1, 1)),
)
"""Tried at the smallest size if none of the others fits."""
_HOPE = 1.5
"""An image size is not timed if no search would fit even when training were this many times faster
than the area of the images suggests."""


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

    ``measure`` times training at an image size in pixels. It is called for each of ``sides`` in
    order until a search fits. A size other than the smallest is skipped if the last timing shows
    that it is far too large. ``overhead`` returns the seconds of everything but training, including
    the measurements so far. Raises UserError, which states the hours needed, if not even one trial
    and one refit fit.
    """
    rungs = (*_WHOLE, *(_PRETRAINED if pretrained else ()))
    least = math.inf

    def planned(speed: Speed, side: int, rungs: Sequence[_Rung]) -> Plan | None:
        nonlocal least
        spent = overhead()
        for rung in rungs:
            trial, refit = _seconds(speed, recipe, images, rung.epochs, side)
            least = spent + trial + refit
            refits = rung.refits * refit
            trials = min(MOST_TRIALS, math.floor((hours * HOUR - spent - refits) / trial))
            if trials >= rung.trials:
                total = spent + trials * trial + refits
                return Plan(side, rung.epochs, trials, rung.refits, trial, refit, total)
        return None

    timed: tuple[int, Speed] | None = None
    for side in sides:
        smallest = side == sides[-1]
        if timed and not smallest and planned(_hoped(*timed, side), side, rungs) is None:
            continue
        timed = (side, measure(side))
        plan = planned(timed[1], side, (*rungs, *(_SHORT if smallest else ())))
        if plan is not None:
            return plan
    needed = math.ceil(least / HOUR * 100) / 100
    raise UserError(
        f"--hours {hours:g}: one trial of one epoch and its refit take about {duration(least)} "
        f"here. Give at least --hours {needed:g}"
    )


def _hoped(timed: int, speed: Speed, side: int) -> Speed:
    """Return the best speed to hope for at ``side`` px, from the speed at ``timed`` px."""
    share = (side / timed) ** 2 / _HOPE
    return replace(speed, train=share * speed.train, evaluate=share * speed.evaluate)


def _seconds(
    speed: Speed, recipe: RecipeConfig, images: CountsConfig, epochs: int, side: int
) -> tuple[float, float]:
    """Return the seconds of one trial and of one refit at ``side`` px."""
    shorter = recipe.model_copy(update={"epochs": epochs, "steps": None, "image_size": side})
    return seconds_of(speed, shorter, images, paddle=False)
