"""Grids that a recorded one could have been: other noise, and another place of the best row.

A searcher can be tuned to three tables by accident. It cannot be tuned to what each table would
have been under other seeds of its trainings, with its top at another learning rate.
"""

import warnings
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from pipeline.search.grid import FinishedGrid

Floats = NDArray[np.float64]

SHIFTS = (0, 1, -1, 2, -2)
"""Steps by which the axis of learning rates is moved; the row at the end is repeated."""
NEAR_THE_TOP = 0.8
"""Points whose smooth value lies above this share of all: their noise is that near the top."""


@dataclass(frozen=True)
class Variant:
    """A grid with noise of its own, and the accuracies without noise, in the same shape."""

    grid: FinishedGrid
    truth: Floats


@dataclass(frozen=True)
class Smooth:
    """A fit to a grid, and the standard deviation of a trial around it, as fractions."""

    fit: Floats
    near_top: float
    noise: Floats


def smooth(grid: FinishedGrid) -> Smooth:
    """Fit a Gaussian process with noise to the accuracies, by maximum likelihood."""
    return _smooth(grid.objective.tobytes(), grid.objective.shape)


@cache
def _smooth(content: bytes, shape: tuple[int, ...]) -> Smooth:
    values = np.frombuffer(content)
    axes = [np.linspace(0, 1, n) for n in shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(shape))
    kernel = ConstantKernel() * Matern([0.3, *[1.0] * (len(shape) - 1)], (0.05, 30), nu=2.5)
    model = GaussianProcessRegressor(
        kernel + WhiteKernel(0.1, (1e-3, 1)),
        normalize_y=True,
        n_restarts_optimizer=2,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length scale at its bound: the values do not depend
        fit = model.fit(points, values).predict(points)
    off, top = values - fit, fit > np.quantile(fit, NEAR_THE_TOP)
    noise = np.where(top, off[top].std(), off[~top].std()).reshape(shape)
    return Smooth(fit.reshape(shape), float(off[top].std()), noise)


def variant(grid: FinishedGrid, seed: int, *, shift: int | None = None) -> Variant:
    """Draw new noise around the smooth fit and move the learning rates by `shift` steps.

    The seed decides the shift too, in turns, where none is given.
    """
    model = smooth(grid)
    noise = np.random.default_rng([seed, grid.size]).normal(size=grid.objective.shape)
    objective = np.clip(model.fit + model.noise * noise, 0, 1)
    axis = list(grid.values).index("lr")
    steps = SHIFTS[seed % len(SHIFTS)] if shift is None else shift
    rows = np.clip(np.arange(objective.shape[axis]) + steps, 0, objective.shape[axis] - 1)
    moved = replace(grid, objective=objective.take(rows, axis), test=None)
    return Variant(moved, model.fit.take(rows, axis))


def luck(draws: int, row: int, samples: int = 100_000) -> float:
    """Standard deviations by which the best of some draws of a row misses the row's best.

    All of the row are equally good but for normal noise, and `draws` of them are tried.
    """
    values = np.random.default_rng(0).normal(size=(samples, row))
    return float((values.max(axis=1) - values[:, :draws].max(axis=1)).mean())
