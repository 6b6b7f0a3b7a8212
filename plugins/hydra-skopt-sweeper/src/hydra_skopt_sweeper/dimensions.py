"""Describe the dimensions of a search: how a model sees the values of each parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from skopt.space import Integer, Real

Coordinate = int | float
Point = tuple[Coordinate, ...]


@dataclass(frozen=True, eq=False)
class Levels:
    """A finite list of values; a coordinate is the index of a value.

    `features` has one row per value, in [0, 1]. Ordered values have a single column with their
    positions. Nominal values have one column each (one-hot).
    """

    features: np.ndarray

    @classmethod
    def ordered(cls, positions: Sequence[float]) -> Levels:
        """Make a list of ordered values; `positions` are rescaled to [0, 1]."""
        line = np.asarray(positions, dtype=float)
        width = np.ptp(line)
        return cls(((line - line.min()) / (width or 1.0))[:, None])

    @classmethod
    def evenly(cls, n: int) -> Levels:
        """Make a list of `n` values at equal distances, such as a logarithmic one."""
        return cls.ordered(range(n))

    @classmethod
    def nominal(cls, n: int) -> Levels:
        """Make a list of `n` values without order, all equally far apart."""
        return cls(np.eye(n)) if n > 2 else cls.evenly(n)

    @property
    def size(self) -> int:
        return len(self.features)

    @property
    def columns(self) -> int:
        """Return the number of features of a value."""
        return self.features.shape[1]

    @property
    def is_ordered(self) -> bool:
        """Return whether the values lie on a line; two values always do."""
        return self.columns == 1

    def values(self) -> range:
        """Return every coordinate."""
        return range(self.size)

    def encode(self, values: Sequence[Coordinate]) -> np.ndarray:
        """Return the features of the values with these indices, shape (n, columns)."""
        return self.features[np.asarray(values, dtype=int)]

    def from_unit(self, shares: np.ndarray) -> list[int]:
        """Return the values at these places in [0, 1]; each value has an equal share."""
        return np.minimum((shares * self.size).astype(int), self.size - 1).tolist()

    def to_unit(self, values: Sequence[Coordinate]) -> np.ndarray:
        """Return the middle of each value's share of [0, 1]."""
        return (np.asarray(values) + 0.5) / self.size


@dataclass(frozen=True, eq=False)
class Span:
    """An interval of numbers, both ends included; a coordinate is the number itself.

    `scale` is a scikit-optimize dimension with `transform="normalize"`. Its prior says whether
    the interval is even in the number or in its logarithm.
    """

    scale: Real | Integer
    columns: ClassVar[int] = 1

    @classmethod
    def real(cls, low: float, high: float, *, log: bool = False) -> Span:
        prior = "log-uniform" if log else "uniform"
        return cls(Real(low, high, prior=prior, transform="normalize"))

    @classmethod
    def integer(cls, low: int, high: int, *, log: bool = False) -> Span:
        prior = "log-uniform" if log else "uniform"
        return cls(Integer(low, high, prior=prior, transform="normalize"))

    @property
    def size(self) -> int | None:
        """Return the number of values; None for an interval of real numbers."""
        if isinstance(self.scale, Real):
            return None
        return int(self.scale.high - self.scale.low) + 1

    def values(self) -> range:
        """Return every coordinate of an interval of whole numbers."""
        if self.size is None:
            raise TypeError("an interval of real numbers cannot be enumerated")
        return range(int(self.scale.low), int(self.scale.high) + 1)

    def __contains__(self, value: object) -> bool:
        """Return whether a number is one of the interval; for whole numbers it must be whole."""
        if isinstance(value, bool) or not isinstance(value, int if self.size else int | float):
            return False
        return bool(self.scale.low <= value <= self.scale.high)

    def encode(self, values: Sequence[Coordinate]) -> np.ndarray:
        """Return the features of these numbers, shape (n, 1)."""
        return np.asarray(self.scale.transform(list(values)), dtype=float)[:, None]

    def from_unit(self, shares: np.ndarray) -> list[Coordinate]:
        """Return the numbers at these places in [0, 1], as plain Python numbers.

        A whole number's share of the interval is from one half below it to one half above it.
        """
        shares = np.clip(shares, 0.0, 1.0)
        if self.size is None:
            return np.asarray(self.scale.inverse_transform(shares)).tolist()
        low, high = self._halves()
        numbers = low + shares * (high - low)
        if self.log:
            numbers = np.exp(numbers)
        whole = np.clip(np.floor(numbers + 0.5), self.scale.low, self.scale.high)
        return whole.astype(int).tolist()

    def to_unit(self, values: Sequence[Coordinate]) -> np.ndarray:
        """Return the places of these numbers; a whole number's is the middle of its share."""
        if self.size is None:
            return np.asarray(self.scale.transform(list(values)), dtype=float)
        low, high = self._halves()
        numbers = np.asarray(values, dtype=float)
        return ((np.log(numbers) if self.log else numbers) - low) / (high - low)

    @property
    def log(self) -> bool:
        """Return whether the interval is even in the logarithm."""
        return bool(self.scale.prior == "log-uniform")

    def _halves(self) -> tuple[float, float]:
        """Return the ends of all shares of whole numbers; their logarithms if `log`."""
        low, high = self.scale.low - 0.5, self.scale.high + 0.5
        return (math.log(low), math.log(high)) if self.log else (low, high)


Dimension = Levels | Span


def encode(dimensions: Sequence[Dimension], points: Sequence[Point]) -> np.ndarray:
    """Return the features of the points in all dimensions, shape (points, columns)."""
    if not dimensions:
        return np.empty((len(points), 0))
    columns = zip(*points, strict=True)
    return np.hstack([d.encode(c) for d, c in zip(dimensions, columns, strict=True)])


def from_unit(dimensions: Sequence[Dimension], shares: np.ndarray) -> list[Point]:
    """Return the points at these places; `shares` has a column in [0, 1] per dimension."""
    columns = [d.from_unit(c) for d, c in zip(dimensions, shares.T, strict=True)]
    return list(zip(*columns, strict=True))


def to_unit(dimensions: Sequence[Dimension], points: Sequence[Point]) -> np.ndarray:
    """Return the places of the points in [0, 1], shape (points, dimensions)."""
    columns = zip(*points, strict=True)
    return np.stack([d.to_unit(c) for d, c in zip(dimensions, columns, strict=True)], axis=-1)
