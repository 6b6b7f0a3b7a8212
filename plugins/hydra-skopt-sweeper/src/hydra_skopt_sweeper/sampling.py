"""Points drawn without a model: a design to begin with, and candidates of an unlisted space."""

from collections.abc import Sequence

import numpy as np

from .dimensions import Dimension, Point, from_unit, to_unit


def hypercube(
    dimensions: Sequence[Dimension], n: int, given: Sequence[Point], rng: np.random.Generator
) -> list[Point]:
    """Draw up to `n` points that make `given` a Latin hypercube: each parameter's range in shares.

    With n + len(given) equal shares, the new points lie in those that no given point is in.
    """
    if n <= 0 or not dimensions:
        return []
    total = n + len(given)
    shares = np.empty((n, len(dimensions)))
    for number, dimension in enumerate(dimensions):
        places = dimension.to_unit([point[number] for point in given])
        taken = np.minimum((places * total).astype(int), total - 1)
        free = np.setdiff1d(np.arange(total), taken)
        shares[:, number] = (rng.permutation(free)[:n] + rng.random(n)) / total
    return list(dict.fromkeys(from_unit(dimensions, shares)))


def around(
    dimensions: Sequence[Dimension], best: Sequence[Point], n: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw `n` places around the points `best`, nearer and nearer ones among them."""
    if not best:
        return np.empty((0, len(dimensions)))
    centres = to_unit(dimensions, best)
    widths = 10.0 ** rng.uniform(-3, -0.5, size=(n, 1))
    steps = rng.normal(size=(n, len(dimensions))) * widths
    return np.clip(centres[rng.integers(len(centres), size=n)] + steps, 0, 1)
