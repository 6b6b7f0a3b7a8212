"""The model of the search: a Gaussian process averaged over many settings of its kernel.

A search has a few dozen noisy values, too few to know length scales and noise from. Fitting one
setting by maximum likelihood, as scikit-optimize's regressor does, makes the model sure of
itself too early; here each of a fixed set of settings predicts, weighted by how well it explains
the values. Nothing is optimised, so a prediction is also cheap and the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc
from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern

Floats = NDArray[np.float64]

SETTINGS = 32

LENGTH_SCALE = (0.5, 1.0)
"""Median and log-normal width of the prior on a length scale; a dimension spans [0, 1]."""
NOISE = (0.05, 1.5)
"""The same for the variance of a trial's noise, in units of the variance of the process."""
MEAN_VARIANCE = 4.0
"""Variance of the constant mean, in the same units: the values told are a biased sample."""
VARIANCE_SHAPE, VARIANCE_SCALE = 2.0, 1.0
"""Inverse-gamma prior on the variance of the process, for values of variance 1."""

DEPTH = 3.0
"""Values further below the median than this many times the best is above it are cut off there."""


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
        square = self.weight @ (self.std**2 + self.mean**2)
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


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
        """What trials at `points` would return, given the `values` at `known` points.

        Args:
            known: shape (n, columns).
            values: shape (n,), larger is better.
            points: shape (m, columns).
        """
        centre, unit = values.mean(), values.std() or 1.0
        n = len(values)
        covariance = np.stack([k(known, np.vstack([known, points])) for k in self._kernels])
        noise = self._noise[:, None, None] * np.eye(n)
        factor = np.linalg.cholesky(covariance[:, :, :n] + noise)
        scaled = np.broadcast_to((values - centre) / unit, (len(self._noise), n))
        sides = np.concatenate([scaled[:, :, None], covariance[:, :, n:]], axis=2)
        solved = np.linalg.solve(factor, sides)
        target, cross = solved[:, :, 0], solved[:, :, 1:]
        misfit = (target**2).sum(axis=1)
        shape, scale = VARIANCE_SHAPE + n / 2, VARIANCE_SCALE + misfit / 2
        diagonal = np.diagonal(factor, axis1=1, axis2=2)
        evidence = -np.log(diagonal).sum(axis=1) - shape * np.log(scale)
        weight = np.exp(evidence - evidence.max())
        spread = 1.0 + MEAN_VARIANCE - (cross**2).sum(axis=1) + self._noise[:, None]
        variance = np.maximum(spread, 1e-12) * (scale / shape)[:, None]
        mean = np.einsum("sn,snm->sm", target, cross)
        return Prediction(weight / weight.sum(), centre + unit * mean, unit * np.sqrt(variance))


def without_depths(values: Floats) -> Floats:
    """Values with the very bad ones raised, which say where not to look but not by how much."""
    median = np.median(values)
    if median == values.max():  # half of them are the best: the scale is the others'
        return values
    return np.maximum(values, median - DEPTH * (values.max() - median))
