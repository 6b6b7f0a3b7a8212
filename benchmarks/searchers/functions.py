"""Functions on intervals with known optima, and one real one, for searchers to minimise."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

Place = tuple[float, ...]


@dataclass(frozen=True)
class Task:
    """A function to be minimised within ``bounds``.

    Args:
        value: what a trial returns, under the seed of the search and its own number.
        truth: what it would return without noise; what a search is judged by.
        least: the least value of ``truth``, None where nobody knows it.
        trials: length of a search.
    """

    name: str
    bounds: tuple[tuple[float, float], ...]
    value: Callable[[Place, int, int], float]
    truth: Callable[[Place], float]
    least: float | None
    trials: int


def branin(place: Place) -> float:
    """Two dimensions, three equal optima (Dixon and Szegoe 1978)."""
    a, b = place
    bend = b - 5.1 * a**2 / (4 * np.pi**2) + 5 * a / np.pi - 6
    return float(bend**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)


WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
WIDTHS = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
CENTRES = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)


def hartmann6(place: Place) -> float:
    """Six dimensions, four wells (Dixon and Szegoe 1978)."""
    return float(-WEIGHTS @ np.exp(-(WIDTHS * (np.array(place) - CENTRES) ** 2).sum(axis=1)))


SLOPES = np.linspace(0.2, 2.0, 10)
TOP = np.random.default_rng(10).uniform(0.2, 0.8, 10)
NOISE = 0.1


def quadratic(place: Place) -> float:
    """Ten dimensions of different weight, the least value 0 inside."""
    return float(SLOPES @ (np.array(place) - TOP) ** 2)


def _noisy_quadratic(place: Place, seed: int, number: int) -> float:
    return quadratic(place) + NOISE * float(np.random.default_rng([seed, number]).normal())


@cache
def support_vectors(place: Place) -> float:
    """Error in percent of a support vector machine on scikit-learn's digits, three folds.

    In the logarithms (base 10) of C and gamma.
    """
    cost, gamma = place
    images, labels = load_digits(return_X_y=True)
    model = SVC(C=10.0**cost, gamma=10.0**gamma)
    return float(100 * (1 - cross_val_score(model, images[::2], labels[::2], cv=3).mean()))


def _exact(function: Callable[[Place], float]) -> Callable[[Place, int, int], float]:
    return lambda place, seed, number: function(place)


TASKS = (
    Task("Branin", ((-5, 10), (0, 15)), _exact(branin), branin, 0.397887, 40),
    Task("Hartmann6", ((0, 1),) * 6, _exact(hartmann6), hartmann6, -3.322368, 50),
    Task("noisy quadratic, 10-D", ((0, 1),) * 10, _noisy_quadratic, quadratic, 0.0, 50),
    Task("SVM on digits", ((-2, 4), (-6, 0)), _exact(support_vectors), support_vectors, None, 30),
)
