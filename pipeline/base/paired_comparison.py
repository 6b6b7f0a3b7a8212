"""Compare two hyperparameter settings on one test split: is the difference more than chance?

Two sources of chance are crossed: the seeds of the refits, and the images that happen to be in
the split. An interval over seeds alone ignores the images and is wrong too often with few seeds.

Seeds may be added while a comparison is undecided, if the looks at it are planned beforehand: each
of K looks gets 1/K of the errors. A verdict is wrong only if one of the K looks is wrong at that
level, so by Bonferroni's inequality all of them together err no more often than one test, whatever
the dependence between the looks and whatever ends the search for a verdict early. These are the
repeated confidence intervals of Jennison and Turnbull (Interim Analyses: The Repeated Confidence
Interval Approach, 1989) with Bonferroni's constants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtrit

from pipeline.base.interim_looks import MOST_SEEDS
from pipeline.base.statistics import Interval, wilson_interval

CURTAILED = 0.1
"""Chance of a verdict below which no more seeds are spent on it."""
ERRORS = 0.05
"""Share of false verdicts allowed."""


@dataclass(frozen=True)
class Comparison:
    """The difference in accuracy of two settings, as a fraction, and its two error terms."""

    mean: float
    seed_error: float
    """Variance of ``mean`` that more seeds reduce."""
    image_error: float
    """Variance of ``mean`` that only more images reduce."""
    seeds: int
    images: int
    looks: int = 1
    """Number of planned looks that share the errors."""

    def interval(self, level: float = 1 - ERRORS) -> Interval:
        """Bound the difference at every planned look; the bounds stay within -1 and 1."""
        reach = self._reach(self._of_one_look(level), self.seeds, self.seed_error)
        return Interval(self.mean, max(-1.0, self.mean - reach), min(1.0, self.mean + reach))

    def p_value(self) -> float:
        """Return the smallest 1 - level at which the interval excludes 0; 1.0 for no difference."""
        if self.mean == 0:
            return 1.0
        if self.seed_error + self.image_error == 0:
            return 0.0

        def excess(p: float) -> float:
            return self._reach(1 - p, self.seeds, self.seed_error) - abs(self.mean)

        tiny = 1e-12
        one_look = tiny if excess(tiny) < 0 else float(brentq(excess, tiny, 1.0))
        return min(1.0, self.looks * one_look)

    def seeds_to_decide(self, level: float = 1 - ERRORS) -> int | None:
        """Return how many seeds would decide if everything else stayed as measured.

        Returns None if even MOST_SEEDS would not decide, because the split has too few images.
        """
        for seeds in range(2, MOST_SEEDS + 1):
            error = self.seed_error * self.seeds / seeds
            if abs(self.mean) > self._reach(self._of_one_look(level), seeds, error):
                return seeds
        return None

    def chance_to_decide(self, seeds: int, level: float = 1 - ERRORS) -> float:
        """Return the chance that ``seeds`` will decide, given what these seeds measured.

        The mean then still moves by the error of the seeds to come; the images stay the same.
        """
        share = self.seeds / seeds
        reach = self._reach(self._of_one_look(level), seeds, self.seed_error * share)
        drift = np.sqrt(self.seed_error * max(0.0, 1 - share))
        missing = reach - abs(self.mean)
        return float(ndtr(-missing / drift)) if drift else float(missing < 0)

    def _of_one_look(self, level: float) -> float:
        return 1 - (1 - level) / self.looks

    def _reach(self, level: float, seeds: int, seed_error: float) -> float:
        """Return half the width of the interval, with the critical value of Cochran and Cox."""
        total = seed_error + self.image_error
        if total == 0:
            return 0.0
        tail = (1 + level) / 2
        by_seed, by_image = stdtrit(seeds - 1, tail), stdtrit(self.images - 1, tail)
        critical = (seed_error * by_seed + self.image_error * by_image) / total
        return float(critical * np.sqrt(total))


def compare(first: ArrayLike, second: ArrayLike, looks: int = 1) -> Comparison:
    """Compare two settings by their right answers, [seeds, images] of 0 and 1, on the same images.

    ``looks`` is the number of planned looks, and this is one of them.

    A two-way analysis of variance of the paired differences, with seeds and images as random
    effects; the critical value weighs those of both error terms (Cochran and Cox, Experimental
    Designs, 1957, 4.14), which is conservative. ``benchmarks/verdicts.py`` measures its errors.
    Raises ValueError when the shapes differ or there are fewer than 2 seeds or images.
    """
    right, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if right.shape != other.shape or right.ndim != 2 or min(right.shape) < 2:
        raise ValueError(f"shapes {right.shape} and {other.shape}: need [seeds, images] of each")
    difference = right - other
    seeds, images = difference.shape
    mean = difference.mean()
    by_seed, by_image = difference.mean(1), difference.mean(0)
    between_seeds = images * np.square(by_seed - mean).sum() / (seeds - 1)
    between_images = seeds * np.square(by_image - mean).sum() / (images - 1)
    rest = np.square(difference - by_seed[:, None] - by_image + mean).sum()
    rest /= (seeds - 1) * (images - 1)
    return Comparison(
        mean=float(mean),
        seed_error=float(max(between_seeds, rest) / (seeds * images)),
        image_error=float(max(between_images - rest, 0.0) / (seeds * images)),
        seeds=seeds,
        images=images,
        looks=looks,
    )


def accuracy_interval(right: ArrayLike) -> Interval:
    """Bound the accuracy of one setting over other seeds and other images of the kind.

    ``right`` holds the right answers, [seeds, images] of 0 and 1. This is Wilson's interval for
    the number of images that alone would give the error of both, at most the images there are
    (effective sample size: Korn and Graubard, Confidence Intervals for Proportions with Small
    Expected Number of Positive Counts, 1998; degrees of freedom: Satterthwaite, An Approximate
    Distribution of Estimates of Variance Components, 1946). Raises ValueError as :func:`compare`.
    """
    answers = np.asarray(right, np.float64)
    both = compare(answers, np.zeros_like(answers))
    share, error, tail = both.mean, both.seed_error + both.image_error, 1 - ERRORS / 2
    images = float(both.images)
    if error > 0:
        by_seed, by_image = both.seed_error**2, both.image_error**2
        free = error**2 / (by_seed / (both.seeds - 1) + by_image / (both.images - 1))
        widened = error * (stdtrit(free, tail) / ndtri(tail)) ** 2
        images = float(min(images, share * (1 - share) / widened))
    return wilson_interval(share * images, images, 1 - ERRORS)


def decided(comparisons: Sequence[Comparison], level: float = 1 - ERRORS) -> list[bool]:
    """Return whether each of several comparisons is decided, with 1 - ``level`` errors in all.

    The p-values are corrected for their number (Holm, A Simple Sequentially Rejective Multiple
    Test Procedure, 1979).
    """
    values = np.array([comparison.p_value() for comparison in comparisons])
    order = np.argsort(values, kind="stable")
    allowed = (1 - level) / np.arange(len(values), 0, -1)
    holds = np.zeros(len(values), bool)
    holds[order] = np.logical_and.accumulate(values[order] <= allowed)
    return list(map(bool, holds))


def worth_more_seeds(comparison: Comparison, comparisons: int, budget: int) -> bool:
    """Return whether to go on to the next look at one of several comparisons.

    False once it is decided whatever the others say (Bonferroni), and once ``budget`` seeds would
    decide it with a chance below ``CURTAILED``, if the trend stays as measured (stochastic
    curtailment: Lan, Simon, Halperin, Stochastically Curtailed Tests in Long-Term Clinical Trials,
    1982). Ending early for that costs power, not errors.
    """
    if comparison.seeds >= budget or comparison.p_value() <= ERRORS / comparisons:
        return False
    return comparison.chance_to_decide(budget, 1 - ERRORS / comparisons) >= CURTAILED
