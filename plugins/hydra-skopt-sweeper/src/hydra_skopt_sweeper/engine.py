"""Ask-and-tell search over encoded dimensions: no Hydra, no files.

    engine = Engine([Levels.evenly(7), Levels.nominal(3)], seed=0)
    [proposal] = engine.ask()
    engine.tell([proposal.point], [0.93])

What an engine proposes is a function of its arguments and of the calls made so far, so a search is
resumed by repeating them. The engine maximises.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from .dimensions import Dimension, Point
from .surrogate import Surrogate, without_depths

ACQUISITIONS = ("EI",)
SURROGATES = ("gp", "random")

MAX_ENUMERATED = 20_000
"""Spaces up to this many points are searched exactly, larger ones by sampling."""

CANDIDATES = 2_000


@dataclass(frozen=True)
class Proposal:
    """A point to try, and what the engine expected of it (None where no model was asked).

    `std` contains the noise of a trial.
    """

    point: Point
    kind: str  # initial, model or random
    acquisition: float | None = None
    mean: float | None = None
    std: float | None = None


class Engine:
    """Proposes points, never one twice, and learns from their values.

    Args:
        dimensions: the space, one entry per parameter.
        seed: decides every random choice.
        n_initial: points tried before the first model, `initial_points` included.
        initial_points: points tried first, in this order.
        acquisition: "EI", expected improvement of a trial's noisy value on the best one.
        surrogate: "gp", or "random" for a search that learns nothing.
        impute_failures: whether the model takes a failure for the worst value told so far, or
            does not see it at all.
        collapse_at: values at or below this are shown to the model as the worst value above it.
    """

    def __init__(
        self,
        dimensions: Sequence[Dimension],
        *,
        seed: int = 0,
        n_initial: int = 3,
        initial_points: Sequence[Point] = (),
        acquisition: str = "EI",
        surrogate: str = "gp",
        impute_failures: bool = True,
        collapse_at: float | None = None,
    ) -> None:
        if acquisition not in ACQUISITIONS:
            raise ValueError(f"acquisition is {acquisition!r}; known are {ACQUISITIONS}")
        if surrogate not in SURROGATES:
            raise ValueError(f"surrogate is {surrogate!r}; known are {SURROGATES}")
        self._dimensions = list(dimensions)
        self._seed = seed
        self._surrogate = surrogate
        self._impute_failures = impute_failures
        self._collapse_at = collapse_at
        self._tried: dict[Point, float | None] = {}  # None: proposed, value not told yet
        self._points = self._enumerate()
        self._initial = list(dict.fromkeys(initial_points))
        if surrogate == "gp":
            self._initial += self._design(n_initial - len(self._initial), self._initial)

    @property
    def size(self) -> float:
        """Number of points in the space, infinite if it has a continuous dimension."""
        return math.prod(math.inf if d.size is None else d.size for d in self._dimensions)

    @property
    def exhausted(self) -> bool:
        """Whether every point was proposed."""
        return len(self._tried) >= self.size

    def ask(self, n: int = 1) -> list[Proposal]:
        """The next `n` points to try at the same time, fewer when the space is exhausted."""
        proposals: list[Proposal] = []
        while len(proposals) < n and not self.exhausted:
            proposal = self._propose()
            self._tried[proposal.point] = None
            proposals.append(proposal)
        return proposals

    def tell(self, points: Iterable[Point], values: Iterable[float]) -> None:
        """Record the values of points; one that is not finite is a failure.

        Points nobody asked for may be told too; they are not proposed afterwards.
        """
        for point, value in zip(points, values, strict=True):
            self._tried[point] = float(value)

    def _propose(self) -> Proposal:
        initial = next((point for point in self._initial if point not in self._tried), None)
        if initial is not None:
            return Proposal(initial, "initial")
        candidates = self._candidates()
        points, values = self._lessons()
        if self._surrogate == "random" or not values:
            return Proposal(candidates[self._rng().integers(len(candidates))], "random")
        with threadpool_limits(limits=1):  # same bits on any machine
            shown = without_depths(np.array(values))
            known = self._encode(points)
            model = Surrogate(known.shape[1])
            prediction = model.predict(known, shown, self._encode(candidates))
            gain = prediction.expected_improvement(max(values))
            mean, std = prediction.moments()
        chosen = int(np.argmax(gain))
        return Proposal(
            candidates[chosen],
            "model",
            acquisition=float(gain[chosen]),
            mean=float(mean[chosen]),
            std=float(std[chosen]),
        )

    def _lessons(self) -> tuple[list[Point], list[float]]:
        """What the model learns from: failures, collapses and pending points made finite."""
        sound = [v for v in self._tried.values() if v is not None and self._is_sound(v)]
        if not sound:
            return [], []
        worst = min(sound)
        lie = float(np.mean(sound))  # the constant liar's value for points not told yet
        lessons: dict[Point, float] = {}
        for point, value in self._tried.items():
            if value is None:
                lessons[point] = lie
            elif math.isfinite(value):
                lessons[point] = value if self._is_sound(value) else worst
            elif self._impute_failures:
                lessons[point] = worst
        return list(lessons), list(lessons.values())

    def _is_sound(self, value: float) -> bool:
        collapsed = self._collapse_at is not None and value <= self._collapse_at
        return math.isfinite(value) and not collapsed

    def _candidates(self) -> list[Point]:
        if self._points is not None:
            return [point for point in self._points if point not in self._tried]
        rng = self._rng()
        fresh: dict[Point, None] = {}
        while not fresh:
            shares = rng.random((CANDIDATES, len(self._dimensions)))
            sampled = self._from_unit(np.vstack([shares, self._near_best(rng)]))
            fresh = dict.fromkeys(point for point in sampled if point not in self._tried)
        return list(fresh)

    def _near_best(self, rng: np.random.Generator) -> np.ndarray:
        """Shares around the best points so far, nearer and nearer ones among them."""
        told = [(value, point) for point, value in self._tried.items() if value is not None]
        best = sorted((t for t in told if self._is_sound(t[0])), reverse=True)[:5]
        if not best:
            return np.empty((0, len(self._dimensions)))
        columns = zip(*(point for _, point in best), strict=True)
        centres = np.stack(
            [d.to_unit(c) for d, c in zip(self._dimensions, columns, strict=True)], axis=-1
        )
        widths = 10.0 ** rng.uniform(-3, -0.5, size=(CANDIDATES, 1))
        steps = rng.normal(size=(CANDIDATES, len(self._dimensions))) * widths
        return np.clip(centres[rng.integers(len(centres), size=CANDIDATES)] + steps, 0, 1)

    def _design(self, n: int, given: Sequence[Point]) -> list[Point]:
        """Up to `n` points that make `given` a Latin hypercube: each parameter's range in shares.

        With n + len(given) equal shares, the new points lie in those that no given point is in.
        """
        if n <= 0 or not self._dimensions:
            return []
        rng = self._rng()
        total = n + len(given)
        shares = np.empty((n, len(self._dimensions)))
        for number, dimension in enumerate(self._dimensions):
            places = dimension.to_unit([point[number] for point in given])
            taken = np.minimum((places * total).astype(int), total - 1)
            free = np.setdiff1d(np.arange(total), taken)
            shares[:, number] = (rng.permutation(free)[:n] + rng.random(n)) / total
        return list(dict.fromkeys(self._from_unit(shares)))

    def _enumerate(self) -> list[Point] | None:
        if self.size > MAX_ENUMERATED:
            return None
        return list(itertools.product(*(d.values() for d in self._dimensions)))

    def _from_unit(self, shares: np.ndarray) -> list[Point]:
        columns = [d.from_unit(c) for d, c in zip(self._dimensions, shares.T, strict=True)]
        return list(zip(*columns, strict=True))

    def _encode(self, points: Sequence[Point]) -> np.ndarray:
        columns = zip(*points, strict=True)
        return np.hstack([d.encode(c) for d, c in zip(self._dimensions, columns, strict=True)])

    def _rng(self) -> np.random.Generator:
        """A generator addressed by the seed and the number of points proposed so far."""
        return np.random.default_rng([self._seed, len(self._tried)])
