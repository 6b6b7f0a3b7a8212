"""Compute intervals and the analysis of a finished grid, with numpy and scipy.

Accuracies are fractions from 0 to 1 throughout; percent only appears in the report.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, ndtri, stdtrit

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence bounds, which are None for a single value."""

    mean: float
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Compute Student's t interval for the mean of independent values, such as one per seed.

    The bounds are not cut to [0, 1]. Raises ValueError for no values or non-finite ones.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError("an interval needs a flat list of at least one value")
    if not np.isfinite(sample).all():
        raise ValueError("an interval needs finite values")
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, None, None)
    error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
    reach = float(stdtrit(sample.size - 1, (1 + level) / 2)) * error
    return Interval(mean, mean - reach, mean + reach)


def additive_noise(grid: ArrayLike, least: int = 4) -> float | None:
    """Estimate the standard deviation of one value of a full grid: that around an additive fit.

    The interactions of a grid that was measured once stand for its noise (Daniel, "Applications of
    Statistics to Industrial Experimentation", 1976), so it is too large where there are any.
    Returns None for a grid with holes or with fewer than ``least`` degrees of freedom.
    """
    values = np.asarray(grid, dtype=np.float64)
    free = values.size - 1 - sum(length - 1 for length in values.shape)
    if free < least or not np.isfinite(values).all():
        return None
    rest = values - values.mean()
    for axis in range(values.ndim):
        others = tuple(each for each in range(values.ndim) if each != axis)
        rest = rest - rest.mean(axis=others, keepdims=True)
    return math.sqrt(float((rest**2).sum()) / free)


def wilson_interval(successes: float, total: float, level: float = 0.95) -> Interval:
    """Compute Wilson's score interval for a share, such as the accuracy on ``total`` images.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    ``mean`` is the plain share. Raises ValueError unless 0 <= successes <= total and total > 0.
    """
    if total <= 0 or not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is no share")
    share = successes / total
    z = float(ndtri((1 + level) / 2))
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    reach = (
        z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    )
    low = 0.0 if successes == 0 else centre - reach
    high = 1.0 if successes == total else centre + reach
    return Interval(share, low, high)


def clip_failures(objectives: Sequence[float], diverged: Sequence[bool]) -> Floats:
    """Return the objectives as the search sees them: diverged trials get the worst of the others.

    If every trial diverged, the objectives are returned unchanged.
    """
    values = np.asarray(objectives, dtype=np.float64)
    lost = np.asarray(diverged, dtype=bool)
    if lost.all() or not lost.any():
        return values
    return np.where(lost, values[~lost].min(), values)


def gap_curve(objectives: Sequence[float], best: float) -> Floats:
    """Return the gap after each trial of a search: ``best`` minus its best value so far."""
    return best - np.maximum.accumulate(np.asarray(objectives, dtype=np.float64))


@dataclass(frozen=True)
class GapBand:
    """Gap to the best after 1, 2, ... trials: mean and bounds, one entry per trial."""

    mean: Floats
    low: Floats
    high: Floats


def random_search_gap(objectives: Sequence[float], trials: int, level: float = 0.95) -> GapBand:
    """Compute exactly the gap of random search without repeats on a finished grid.

    Among n points the best of k drawn without repeats is the r-th best with probability
    C(n - r, k - 1) / C(n, k). The bounds hold ``level`` of all searches.
    Raises ValueError unless 1 <= trials <= number of points.
    """
    ranked = np.sort(np.asarray(objectives, dtype=np.float64))[::-1]
    n = ranked.size
    if not 1 <= trials <= n:
        raise ValueError(f"{trials} trials out of {n} points")
    gaps = ranked[0] - ranked
    k = np.arange(1, trials + 1)[:, None]
    left = n - np.arange(1, n + 1)
    chance = np.exp(_log_choose(left, k - 1) - _log_choose(np.asarray(n), k))  # [trials, points]
    reached = np.cumsum(chance, axis=1)
    low, high = ((reached < share).sum(axis=1) for share in ((1 - level) / 2, (1 + level) / 2))
    return GapBand(chance @ gaps, gaps[low], gaps[np.minimum(high, n - 1)])


def _log_choose(n: NDArray[np.int64], k: NDArray[np.int64]) -> Floats:
    """Return the logarithm of n over k: -inf where k is larger."""
    result: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return result


def mean_gap(curves: ArrayLike, level: float = 0.95) -> GapBand:
    """Average the gaps of many searches, [searches, trials], with a t interval for the mean."""
    table = np.asarray(curves, dtype=np.float64)
    intervals = [t_interval(column.tolist(), level) for column in table.T]
    mean = np.array([i.mean for i in intervals])
    low = np.array([i.mean if i.low is None else i.low for i in intervals])
    high = np.array([i.mean if i.high is None else i.high for i in intervals])
    return GapBand(mean, low, high)


@dataclass(frozen=True)
class VarianceShares:
    """Shares of the objective's variance over a full grid; all of them add up to 1."""

    main: dict[str, float]
    """The share explained by each hyperparameter alone."""
    pairs: dict[tuple[str, str], float]
    """The share explained by two together, beyond what each explains alone."""
    higher: float
    """The share explained by three or more together."""


def variance_shares(names: Sequence[str], grid: ArrayLike) -> VarianceShares | None:
    """Compute how much of a complete grid's variance each hyperparameter explains (fANOVA).

    ``grid`` has one axis per name. The main effect of an axis is the variance of the means over
    all other axes (Hutter, Hoos, Leyton-Brown, "An efficient approach for assessing hyperparameter
    importance", 2014). The paper uses a forest; here every point was measured, so it is exact.
    Returns None if the objective is the same everywhere. Raises ValueError for a non-finite entry.
    """
    values = np.asarray(grid, dtype=np.float64)
    if values.ndim != len(names):
        raise ValueError(f"{values.ndim} axes for {len(names)} names")
    if not np.isfinite(values).all():
        raise ValueError("the grid must be complete and finite")
    centred = values - values.mean()
    total = float((centred**2).mean())
    if total <= np.finfo(np.float64).eps * max(1.0, float((values**2).mean())):
        return None
    axes = range(values.ndim)
    effect = {i: centred.mean(axis=tuple(a for a in axes if a != i), keepdims=True) for i in axes}
    main = {names[i]: float((effect[i] ** 2).mean()) / total for i in axes}
    pairs = {}
    for i, j in itertools.combinations(axes, 2):
        both = centred.mean(axis=tuple(a for a in axes if a not in (i, j)), keepdims=True)
        pairs[names[i], names[j]] = float(((both - effect[i] - effect[j]) ** 2).mean()) / total
    higher = max(0.0, 1.0 - sum(main.values()) - sum(pairs.values()))
    return VarianceShares(main, pairs, higher)
