"""Ask-and-tell search over encoded dimensions: no Hydra, no files.

    engine = Engine([Levels.evenly(7), Levels.nominal(3)], seed=0)
    [proposal] = engine.ask()
    engine.tell([proposal.point], [0.93])

What an engine proposes is a function of its arguments and of the calls made so far, so a search is
resumed by repeating them. The engine maximises.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from .dimensions import Dimension, Point, encode, from_unit, to_unit
from .fitted import FittedSurrogate
from .sampling import around, hypercube
from .surrogate import Surrogate, without_depths
from .walk import can_be_walked, next_step, untried_flag

ACQUISITIONS = ("EI", "mean")
SURROGATES = ("gp", "random")

MAX_ENUMERATED = 20_000
"""Spaces with at most this many points are searched exactly, larger ones by sampling."""

CANDIDATES = 1_000
"""Number of points sampled over the whole of a larger space, and again around the best points."""


@cache
def _pools() -> ThreadpoolController:
    """Return the thread pools of this process; finding them takes longer than most proposals."""
    return ThreadpoolController()


@dataclass(frozen=True)
class Proposal:
    """A point to try, and what the engine expected of it (None where no model was asked).

    `std` contains the noise of a trial.
    """

    point: Point
    kind: str  # initial, line, model or random
    acquisition: float | None = None
    mean: float | None = None
    std: float | None = None


class Engine:
    """Proposes points, never one twice, and learns from their values.

    Args:
        dimensions: the space, one entry per parameter.
        seed: decides every random choice.
        n_initial: points tried before the first model, `initial_points` included. With a `line`
            only `initial_points` are, or one point in the middle of the line.
        initial_points: points tried first, in this order.
        line: dimensions walked along one after the other, from the best initial point, before the
            model is asked.
        acquisition: what is maximised over a finite space: "EI", the expected improvement of a
            trial's noisy value over the best one, or "mean", the predicted value.
            A space that is not finite is searched by expected improvement.
        surrogate: "gp", or "random" for a search that learns nothing.
        impute_failures: whether the model takes a failure for the worst value so far, or
            does not see it at all.
        collapse_at: values at or below this are shown to the model as the worst value above it.

    Raises:
        ValueError: a method is unknown, or a dimension of the line cannot be walked.
    """

    def __init__(
        self,
        dimensions: Sequence[Dimension],
        *,
        seed: int = 0,
        n_initial: int = 3,
        initial_points: Sequence[Point] = (),
        line: Sequence[int] = (),
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
        if any(not can_be_walked(self._dimensions[axis]) for axis in line):
            raise ValueError("only a list of ordered values can be walked along")
        self._line = tuple(line)
        self._seed = seed
        self._acquisition = acquisition
        self._surrogate = surrogate
        self._impute_failures = impute_failures
        self._collapse_at = collapse_at
        self._tried: dict[Point, float | None] = {}  # None: proposed, value not known yet
        self._points = self._enumerate()
        self._features = None if self._points is None else encode(self._dimensions, self._points)
        self._initial = list(dict.fromkeys(initial_points))
        if surrogate == "gp":
            self._initial += self._first_design(n_initial)

    @property
    def size(self) -> float:
        """Number of points in the space, infinite if it has a continuous dimension."""
        return math.prod(math.inf if d.size is None else d.size for d in self._dimensions)

    @property
    def exhausted(self) -> bool:
        """Whether every point of the space has been proposed."""
        return len(self._tried) >= self.size

    def ask(self, n: int = 1) -> list[Proposal]:
        """Propose the next `n` points to try at the same time; fewer if the space is exhausted."""
        proposals: list[Proposal] = []
        while len(proposals) < n and not self.exhausted:
            proposal = self._propose()
            self._tried[proposal.point] = None
            proposals.append(proposal)
        return proposals

    def tell(self, points: Iterable[Point], values: Iterable[float]) -> None:
        """Record the values of points; one that is not finite is a failure.

        Values of points that were not proposed are accepted too; they are not proposed later.
        """
        for point, value in zip(points, values, strict=True):
            self._tried[point] = float(value)

    def _propose(self) -> Proposal:
        initial = next((point for point in self._initial if point not in self._tried), None)
        if initial is not None:
            return Proposal(initial, "initial")
        if self._surrogate == "random":
            return Proposal(self._drawn(), "random")
        if (step := self._walked()) is not None:
            return Proposal(step, "line")
        points, values = self._lessons()
        if not values:
            waiting = None in self._tried.values()
            return Proposal(self._drawn(), "initial" if waiting else "random")
        with _pools().limit(limits=1):  # same bits on any machine
            if self._points is None:
                return self._fitted(points, values)
            return self._averaged(points, values)

    def _averaged(self, points: list[Point], values: list[float]) -> Proposal:
        """Propose the best untried point of a finite space."""
        assert self._points is not None
        assert self._features is not None
        untried = [row for row, point in enumerate(self._points) if point not in self._tried]
        shown, best = self._shown(values)
        known = encode(self._dimensions, points)
        model = Surrogate(known.shape[1])
        prediction = model.predict(known, shown, self._features[untried])
        mean, std = prediction.moments()
        gain = prediction.expected_improvement(0.0) if self._acquisition == "EI" else mean
        chosen = int(np.argmax(gain))
        return Proposal(
            self._points[untried[chosen]],
            "model",
            acquisition=float(gain[chosen] + (0.0 if self._acquisition == "EI" else best)),
            mean=float(mean[chosen] + best),
            std=float(std[chosen]),
        )

    def _fitted(self, points: list[Point], values: list[float]) -> Proposal:
        """Propose the best candidate of a space that cannot be listed, after a climb from a few."""
        shown, best = self._shown(values)
        model = FittedSurrogate(encode(self._dimensions, points), shown)
        candidates = self._candidates()
        features = encode(self._dimensions, candidates)
        free = np.array([d.size is None for d in self._dimensions for _ in range(d.columns)])
        for row, climbed in model.climb(features, free):
            places = to_unit(self._dimensions, [candidates[row]])
            places[0, [d.size is None for d in self._dimensions]] = climbed[free]
            candidates += from_unit(self._dimensions, places)
        candidates = [point for point in candidates if point not in self._tried]
        features = encode(self._dimensions, candidates)
        gain = model.log_improvement(features)
        chosen = int(np.argmax(gain))
        [mean], [std] = model.predict(features[chosen : chosen + 1])
        return Proposal(
            candidates[chosen],
            "model",
            acquisition=float(np.exp(gain[chosen]) * model.unit),
            mean=float(mean + best),
            std=float(std),
        )

    def _shown(self, values: list[float]) -> tuple[np.ndarray, float]:
        """Return the values for the model, as differences from the best one, and the best one.

        Differences of large numbers are exact, but their means are not.
        """
        best = max(values)
        return without_depths(np.array(values) - best), best

    def _lessons(self) -> tuple[list[Point], list[float]]:
        """Return points and values for the model, finite also for failed and pending points."""
        sound = [v for v in self._tried.values() if v is not None and self._is_sound(v)]
        if not sound:
            return [], []
        worst, best = min(sound), max(sound)
        # the constant liar's value for points whose value is not known yet
        lie = best + float(np.mean(np.array(sound) - best))
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

    def _walked(self) -> Point | None:
        """Return the next point of the walks; None if they have ended."""
        if not self._line:
            return None
        idle = self._idle()
        base = self._best(self._initial)
        for axis in self._line:
            points = [(*base[:axis], i, *base[axis + 1 :]) for i in self._dimensions[axis].values()]
            values = {i: self._judged(p) for i, p in enumerate(points) if p in self._tried}
            step = next_step(values, len(points), int(base[axis]), idle=idle)
            if step is not None:
                return points[step]
            base = self._best([point for point in points if point in self._tried])
        return untried_flag(self._dimensions, self._tried, self._best(list(self._tried)), idle=idle)

    def _idle(self) -> int:
        """Return how many values are known of points proposed after the best one."""
        values = [v for point in self._tried if (v := self._judged(point)) is not None]
        return len(values) - 1 - values.index(max(values)) if values else 0

    def _best(self, points: Sequence[Point]) -> Point:
        """Return the point with the best value; the first among equals, or if no value is known."""
        return max(points, key=lambda p: -math.inf if (v := self._judged(p)) is None else v)

    def _judged(self, point: Point) -> float | None:
        """Return a point's value: None if not known yet, minus infinity for failure or collapse."""
        value = self._tried.get(point)
        return value if value is None or self._is_sound(value) else -math.inf

    def _drawn(self) -> Point:
        """Draw an untried point, each with the same probability."""
        rng = self._rng()
        if self._points is not None:
            untried = [point for point in self._points if point not in self._tried]
            return untried[rng.integers(len(untried))]
        while True:
            [point] = from_unit(self._dimensions, rng.random((1, len(self._dimensions))))
            if point not in self._tried:
                return point

    def _candidates(self) -> list[Point]:
        """Draw untried points from all over a space that cannot be listed, and around the best."""
        rng = self._rng()
        known = [(value, point) for point, value in self._tried.items() if value is not None]
        best = sorted((pair for pair in known if self._is_sound(pair[0])), reverse=True)[:5]
        fresh: dict[Point, None] = {}
        while not fresh:
            shares = rng.random((CANDIDATES, len(self._dimensions)))
            near = around(self._dimensions, [point for _, point in best], CANDIDATES, rng)
            sampled = from_unit(self._dimensions, np.vstack([shares, near]))
            fresh = dict.fromkeys(point for point in sampled if point not in self._tried)
        return list(fresh)

    def _first_design(self, n_initial: int) -> list[Point]:
        """Draw the first points that were not given; for a walk one in the middle, or none."""
        if not self._line:
            more = n_initial - len(self._initial)
            return hypercube(self._dimensions, more, self._initial, self._rng())
        if self._initial:
            return []
        [point] = hypercube(self._dimensions, 1, [], self._rng())
        middle = {axis: (self._dimensions[axis].size or 1) // 2 for axis in self._line}
        return [tuple(middle.get(axis, value) for axis, value in enumerate(point))]

    def _enumerate(self) -> list[Point] | None:
        if self.size > MAX_ENUMERATED:
            return None
        return list(itertools.product(*(d.values() for d in self._dimensions)))

    def _rng(self) -> np.random.Generator:
        """Make a generator from the seed and the number of points proposed so far."""
        return np.random.default_rng([self._seed, len(self._tried)])
