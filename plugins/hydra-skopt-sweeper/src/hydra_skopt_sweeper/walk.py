"""Walk along one ordered dimension before there are enough results for a model.

One parameter may decide most of the objective, as the learning rate does in fine-tuning. Then a few
trials along it find the good part of the space sooner than any model of the whole space.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from .dimensions import Dimension, Levels, Point

STRIDES = 7
"""A line with more values than this is walked in longer steps at first. They are halved later."""
STANDSTILL = 5
"""After this many trials without a new best, untried ends and untried flags are tried."""
SHORT = 2
"""An untried end with fewer values than this is not tried."""


def next_step(
    values: Mapping[int, float | None], size: int, start: int, *, idle: int = 0
) -> int | None:
    """Choose the next index to try on a line; None if the walk has ended.

    The walk tries the neighbours of the best index, the lower one first, until the best has a
    tried neighbour on each side or is at an end. Noise can end a walk in a flat region. So if more
    than half of the line is untried at one end, the walk tries the middle of that part. After
    ``STANDSTILL`` trials without a new best it tries the middle of any untried end of at least
    ``SHORT`` values.

    Args:
        values: the result of each tried index, larger is better; None if it is not known yet, minus
            infinity if the trial failed.
        size: number of indices on the line.
        start: index at which the walk begins.
        idle: number of trials since the best trial of the search.
    """
    if start not in values:
        return start
    known = {i: v for i, v in values.items() if v is not None and math.isfinite(v)}
    best = max(known, key=lambda i: known[i]) if known else start
    longest = max(1, size // STRIDES)
    step = longest
    while step:
        for side in (-1, 1):
            near = range(best + side, best + side * (step + 1), side)
            if not any(i in values for i in near):
                aim = min(max(best + side * step, 0), size - 1)
                if aim != best:
                    return aim
        step //= 2
    if None in values.values():  # in a batch: try the next index on either side
        for distance in range(1, 2 * longest + 1):
            for aim in (best - distance, best + distance):
                if 0 <= aim < size and aim not in values:
                    return aim
        return None
    first, last = min(values), max(values)
    least = SHORT if idle >= STANDSTILL else size // 2 + 1
    if first >= least:
        return (first - 1) // 2
    if size - 1 - last >= least:
        return (last + size) // 2
    return None


def untried_flag(
    dimensions: Sequence[Dimension], tried: Collection[Point], best: Point, *, idle: int
) -> Point | None:
    """Choose the best point with the untried value of a two-valued dimension; None without one.

    Returns None, too, before ``STANDSTILL`` trials without a new best. The mean of a model says
    nothing about a value that no trial had, so a search for the best mean never tries that value.
    """
    if idle < STANDSTILL:
        return None
    for axis, dimension in enumerate(dimensions):
        if dimension.size == 2:
            for value in dimension.values():
                if all(point[axis] != value for point in tried):
                    return (*best[:axis], value, *best[axis + 1 :])
    return None


def can_be_walked(dimension: Dimension) -> bool:
    """Return whether a dimension is a list of ordered values."""
    return isinstance(dimension, Levels) and dimension.is_ordered
