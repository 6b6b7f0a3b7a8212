"""Model a continuous space: a Gaussian process with fitted length scales and noise.

On intervals a search ends in a small neighbourhood of the top, where values differ by far less
than over the whole space, and often without noise. A fixed set of settings is too coarse for that:
length scales and noise maximise the posterior density, by gradient descent from fixed starts
(Rasmussen and Williams 2006, sections 5.4.1 and 5.5).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize
from scipy.special import log_ndtr

from .surrogate import MEAN_VARIANCE, VARIANCE_SCALE, VARIANCE_SHAPE, centre_and_unit

Floats = NDArray[np.float64]

LENGTH_SCALE = (0.25, 1.0)
"""Median and log-normal width of the prior on a length scale, divided by the root of the number of
columns, because distances grow with that root (Hvarfner et al. 2024, "Vanilla Bayesian optimization
performs great in high dimensions"). A column spans [0, 1]."""
NOISE = (1e-3, 3.0)
"""The same for the variance of the noise, in units of the variance of the process."""
LEAST_NOISE = 1e-8
"""Keeps the covariance of points that lie close together positive definite."""
STARTS = ((0.3, 1e-4), (0.7, 0.1))
"""Length scale, divided likewise, and noise at the start of each fit: without and with noise."""
STEPS = 60
REFINED = 4
"""Number of candidates from which the acquisition is climbed."""

FAR = 100.0
"""Further below the best than this many standard deviations, improvement is set to its limit."""
ROOT5 = np.sqrt(5.0)


class FittedSurrogate:
    """A Gaussian process fitted to the `values` (larger is better) at `known` points.

    Its kernel is Matern 5/2 with a length scale per column. The constant mean and the variance of
    the process are integrated out.

    Args:
        known: shape (n, columns), each within [0, 1].
        values: shape (n,).
    """

    def __init__(self, known: Floats, values: Floats) -> None:
        self._known = known
        self._centre, self._unit = centre_and_unit(values)
        self._target = (values - self._centre) / self._unit
        self._squares = ((known[:, None] - known[None]) ** 2).transpose(2, 0, 1).copy()
        columns = known.shape[1]
        fits = []
        for scale, noise in STARTS:
            start = np.log([*[scale * np.sqrt(columns)] * columns, noise])
            bounds = [(np.log(0.01), np.log(30.0))] * columns + [(np.log(LEAST_NOISE), np.log(10))]
            fits.append(
                minimize(
                    self._loss,
                    start,
                    jac=True,
                    bounds=bounds,
                    method="L-BFGS-B",
                    options={"maxiter": STEPS},
                )
            )
        best = min(fits, key=lambda fit: float(fit.fun))
        self._scales, self._noise = np.exp(best.x[:-1]), float(np.exp(best.x[-1]))
        covariance, _, _ = self._covariance(self._scales, self._noise)
        self._factor = cholesky(covariance, lower=True)
        self._alpha = cho_solve((self._factor, True), self._target)
        shape = VARIANCE_SHAPE + len(values) / 2
        self._variance = (VARIANCE_SCALE + self._target @ self._alpha / 2) / shape
        self._best = float(self._target.max())

    def _covariance(self, scales: Floats, noise: float) -> tuple[Floats, Floats, Floats]:
        """Return the covariance of the known points, and distances and decays for its gradient."""
        distance = ROOT5 * np.sqrt(np.tensordot(scales**-2, self._squares, axes=1))
        decay = np.exp(-distance)
        covariance = MEAN_VARIANCE + (1 + distance + distance**2 / 3) * decay
        covariance[np.diag_indices_from(covariance)] += noise
        return covariance, distance, decay

    def _loss(self, logs: Floats) -> tuple[float, Floats]:
        """Return the negative log posterior of log scales and log noise, and its gradient."""
        scales, noise = np.exp(logs[:-1]), float(np.exp(logs[-1]))
        covariance, distance, decay = self._covariance(scales, noise)
        try:
            factor = cholesky(covariance, lower=True)
        except np.linalg.LinAlgError:
            return 1e25, np.zeros_like(logs)
        inverse = cho_solve((factor, True), np.eye(len(covariance)))
        alpha = inverse @ self._target
        shape = VARIANCE_SHAPE + len(self._target) / 2
        scale = VARIANCE_SCALE + self._target @ alpha / 2
        slope = (shape / scale * np.outer(alpha, alpha) - inverse) / 2
        length = LENGTH_SCALE[0] * np.sqrt(len(scales))
        medians = np.log([*[length] * len(scales), NOISE[0]])
        widths = np.array([*[LENGTH_SCALE[1]] * len(scales), NOISE[1]])
        off = (logs - medians) / widths
        loss = np.log(np.diag(factor)).sum() + shape * np.log(scale) + (off**2).sum() / 2
        shared = slope * (5 / 3 * (1 + distance) * decay)
        gradient = np.append(
            [
                (shared * square).sum() / s**2
                for square, s in zip(self._squares, scales, strict=True)
            ],
            noise * np.trace(slope),
        )
        return float(loss), off / widths - gradient

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Predict what trials at `points` would return: mean and standard deviation, with noise."""
        mean, variance, *_ = self._posterior(points)
        std = np.sqrt(variance + self._noise * self._variance)
        return self._centre + self._unit * mean, self._unit * std

    def log_improvement(self, points: Floats) -> Floats:
        """Return the logarithm of the expected improvement of the noise-free value, shape (m,).

        The improvement is over the best known value, in units of the values' standard deviation.
        """
        mean, variance, *_ = self._posterior(points)
        std = np.sqrt(variance)
        return np.log(std) + _log_gain((mean - self._best) / std)[0]

    @property
    def unit(self) -> float:
        """Return the unit of an improvement: the standard deviation of the values."""
        return self._unit

    def climb(self, points: Floats, free: NDArray[np.bool_]) -> Iterator[tuple[int, Floats]]:
        """Climb from the best `points` in their `free` columns; yield row and end of each climb."""
        if not free.any():
            return
        order = np.argsort(-self.log_improvement(points), kind="stable")[:REFINED]
        for row in order:
            start = points[row]

            def loss(moved: Floats, start: Floats = start) -> tuple[float, Floats]:
                point = start.copy()
                point[free] = moved
                value, slope = self._log_improvement_and_slope(point)
                return -value, -slope[free]

            bounds = [(0.0, 1.0)] * int(free.sum())
            end = minimize(loss, start[free], jac=True, bounds=bounds, method="L-BFGS-B")
            point = start.copy()
            point[free] = end.x
            yield int(row), point

    def _posterior(self, points: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return mean and variance of the noise-free value, and the parts of their gradients."""
        scaled, known = points / self._scales, self._known / self._scales
        square = (scaled**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * scaled @ known.T
        distance = ROOT5 * np.sqrt(np.maximum(square, 0.0))
        decay = np.exp(-distance)
        cross = MEAN_VARIANCE + (1 + distance + distance**2 / 3) * decay
        weighed = cho_solve((self._factor, True), cross.T).T
        variance = 1 + MEAN_VARIANCE - (cross * weighed).sum(1)
        variance = np.maximum(variance, 1e-12) * self._variance
        return cross @ self._alpha, variance, distance, decay, weighed

    def _log_improvement_and_slope(self, point: Floats) -> tuple[float, Floats]:
        mean, variance, distance, decay, weighed = self._posterior(point[None])
        std = float(np.sqrt(variance[0]))
        z = (float(mean[0]) - self._best) / std
        [gain], [ratio] = _log_gain(np.array([z]))
        away = (point - self._known) / self._scales**2
        bend = -(5 / 3 * (1 + distance[0]) * decay[0])[:, None] * away
        d_mean = bend.T @ self._alpha
        d_std = -self._variance * (bend.T @ weighed[0]) / std
        slope = d_std / std + ratio * (d_mean - z * d_std) / std
        return float(np.log(std) + gain), slope


def _log_gain(z: Floats) -> tuple[Floats, Floats]:
    """Return log(z cdf(z) + pdf(z)) of the normal distribution, and its derivative.

    Ament et al. 2023, "Unexpected improvements to expected improvement", equation 9.
    """
    log_pdf = -(z**2) / 2 - np.log(2 * np.pi) / 2
    log_cdf = log_ndtr(z)
    below = np.clip(z, -FAR, 0.0)
    share = -below * np.exp(log_ndtr(below) + below**2 / 2 + np.log(2 * np.pi) / 2)
    near = log_pdf + np.log1p(-share)
    above = np.log(np.maximum(z, 0.0) * np.exp(log_cdf) + np.exp(log_pdf) + (z < 0))
    far = log_pdf - 2 * np.log(np.maximum(-z, 1.0))  # the limit
    log_gain = np.where(z > 0, above, np.where(z > -FAR, near, far))
    return log_gain, np.exp(log_cdf - log_gain)
