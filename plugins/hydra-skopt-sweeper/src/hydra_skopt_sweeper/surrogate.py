"""The model of a finite space: a Gaussian process averaged over many settings of its kernel.

A search has a few dozen noisy values, too few to know length scales and noise from. Fitting one
setting by maximum likelihood, as scikit-optimize's regressor does, makes the model sure of
itself too early; here each of a fixed set of settings predicts, weighted by how well it explains
the values. Nothing is optimised, so a prediction is also cheap and the same on every machine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.stats import norm, qmc
from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern

Floats = NDArray[np.float64]

SETTINGS = 32

LENGTH_SCALE = (0.5, 1.0)
"""Median and log-normal width of the prior on a length scale; a dimension spans [0, 1]."""
NOISE = (0.05, 1.5)
"""The same for the variance of a trial's noise, in units of the variance of the process."""
MEAN_VARIANCE = 4.0
"""Variance of the constant mean, in the same units; the known values are a biased sample."""
VARIANCE_SHAPE, VARIANCE_SCALE = 2.0, 1.0
"""Inverse-gamma prior on the variance of the process, for values of variance 1."""

NEGLIGIBLE = 1e-3
"""The lightest settings are skipped if their total weight is less than this."""
MAX_CELLS = 10_000_000
"""Largest product of settings, known points and predicted points. Only as many settings are used
as fit, the heaviest first."""
BLOCK = 4_096
"""Number of points predicted at a time, to limit the memory."""

DEPTH = 3.0
"""Clip values below median - DEPTH * (best - median)."""
ROUNDING = 1e-12
"""Values that differ by less than this share of the largest are equal."""


@dataclass(frozen=True)
class Prediction:
    """A mixture of normal distributions at each point: what a trial there would return.

    `mean` and `std` have shape (settings, points), `weight` (settings,). `std` contains the noise.
    """

    weight: Floats
    mean: Floats
    std: Floats

    def expected_improvement(self, best: float) -> Floats:
        """Jones et al. 1998, eq. 15, for maximisation, averaged over the mixture."""
        z = (self.mean - best) / self.std
        gain: Floats = self.weight @ (self.std * (z * norm.cdf(z) + norm.pdf(z)))
        return gain

    def moments(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the mixture, shape (points,)."""
        mean = self.weight @ self.mean
        return mean, np.sqrt(self.weight @ (self.std**2 + (self.mean - mean) ** 2))


class Surrogate:
    """Predicts the value of points with this many columns, each within [0, 1]."""

    def __init__(self, columns: int) -> None:
        median, width = np.array([*[LENGTH_SCALE] * columns, NOISE]).T
        draws = qmc.Sobol(columns + 1, rng=0).random(SETTINGS)
        settings = median * np.exp(width * norm.ppf(draws))
        self._noise = settings[:, -1]
        self._kernels = [
            ConstantKernel(MEAN_VARIANCE) + Matern(scales, nu=2.5) for scales in settings[:, :-1]
        ]

    def predict(self, known: Floats, values: Floats, points: Floats) -> Prediction:
        """Predict what trials at `points` would return, given the `values` at `known` points.

        Args:
            known: shape (n, columns).
            values: shape (n,), larger is better.
            points: shape (m, columns).
        """
        n = len(values)
        centre, unit = centre_and_unit(values)
        covariance = np.stack([kernel(known) for kernel in self._kernels])
        factor = np.linalg.cholesky(covariance + self._noise[:, None, None] * np.eye(n))
        target = np.linalg.solve(factor, ((values - centre) / unit)[None, :, None])[:, :, 0]
        misfit = (target**2).sum(axis=1)
        shape, scale = VARIANCE_SHAPE + n / 2, VARIANCE_SCALE + misfit / 2
        diagonal = np.diagonal(factor, axis1=1, axis2=2)
        evidence = -np.log(diagonal).sum(axis=1) - shape * np.log(scale)
        weight = np.exp(evidence - evidence.max())
        weight /= weight.sum()
        asked = _heaviest(weight, MAX_CELLS // max(n * len(points), 1))
        mean, std = np.empty((2, len(asked), len(points)))
        for row, setting in enumerate(asked):
            for start in range(0, len(points), BLOCK):
                block = slice(start, start + BLOCK)
                cross = solve_triangular(
                    factor[setting], self._kernels[setting](known, points[block]), lower=True
                )
                spread = 1 + MEAN_VARIANCE - (cross**2).sum(axis=0) + self._noise[setting]
                mean[row, block] = target[setting] @ cross
                std[row, block] = np.sqrt(np.maximum(spread, 1e-12) * scale[setting] / shape)
        return Prediction(weight[asked] / weight[asked].sum(), centre + unit * mean, unit * std)


def _heaviest(weight: Floats, most: int) -> NDArray[np.intp]:
    """Choose up to `most` settings (at least one), without those of negligible total weight."""
    order = np.argsort(-weight, kind="stable")
    needed = int(np.searchsorted(np.cumsum(weight[order]), 1 - NEGLIGIBLE)) + 1
    return order[: max(1, min(needed, most))]


def centre_and_unit(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation for scaling values; the latter is 1 if all are equal."""
    equal = np.ptp(values) <= ROUNDING * np.abs(values).max()
    return float(values.mean()), 1.0 if equal else float(values.std())


def without_depths(values: Floats) -> Floats:
    """Return the values with very bad ones raised, because how bad they are has no meaning."""
    median = np.median(values)
    if median == values.max():  # half equal the best: there is no distance to clip by
        return values
    return np.maximum(values, median - DEPTH * (values.max() - median))
