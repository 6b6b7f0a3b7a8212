"""Define the searched hyperparameters, each once: its allowed values and how it is shown.

To search one more, add a field with a default to :class:`Point` (docs/extending.md).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

from pydantic import Field, create_model, field_validator

from pipeline.settings.values import Model, NonNegative, Positive


@dataclass(frozen=True)
class Shown:
    """How people read a hyperparameter."""

    title: str
    short: str = ""
    """A shorter title for narrow places, such as a column heading; empty to use the title."""
    unit: str = ""

    @property
    def heading(self) -> str:
        """Return the heading for a column."""
        return self.short or self.title

    @property
    def words(self) -> str:
        """Return the title in the form used within a sentence."""
        return self.title[:1].lower() + self.title[1:] if self.title[1:2].islower() else self.title

    @property
    def name(self) -> str:
        """Return the shortest name that fits within a sentence."""
        return self.short or self.words


class Point(Model):
    """One value of every searched hyperparameter, in the order of the space."""

    lr: Annotated[Positive, Shown("Learning rate", short="lr", unit="per 256 images")]
    l2_decay: Annotated[NonNegative, Shown("L2 decay")]
    label_smoothing: Annotated[bool, Shown("Label smoothing")]
    mixup: Annotated[bool, Shown("Mixup")]

    @property
    def brief(self) -> str:
        """Return the point in one line: the numbers with their names, and the flags that are on."""
        values = {name: getattr(self, name) for name in HYPERPARAMETERS}
        return " · ".join(
            name if value is True else f"{name} {value:g}"
            for name, value in values.items()
            if value is not False
        )

    @property
    def point(self) -> Point:
        """Return the point alone, from a model that holds more than a point."""
        return Point.model_construct(**{name: getattr(self, name) for name in HYPERPARAMETERS})


HYPERPARAMETERS: dict[str, Shown] = {
    name: next(each for each in field.metadata if isinstance(each, Shown))
    for name, field in Point.model_fields.items()
}
FLAGS = [name for name, field in Point.model_fields.items() if field.annotation is bool]
"""Hyperparameters that are on or off; the others are numbers."""


def _axes() -> dict[str, Any]:
    """Return a field per hyperparameter: a list of values, by default only the point's default."""
    hints: dict[str, Any] = get_type_hints(Point, include_extras=True)
    lists: dict[str, Any] = {name: list[kind] for name, kind in hints.items()}  # type: ignore[valid-type]
    return {
        name: (
            Annotated[lists[name], Field(min_length=1)],
            ... if field.is_required() else [field.default],
        )
        for name, field in Point.model_fields.items()
    }


class SpaceConfig(create_model("Axes", __base__=Model, **_axes())):  # type: ignore[misc]
    """The points of the search: every combination of these values, in this order."""

    @field_validator("*")
    @classmethod
    def _distinct(cls, values: list[float]) -> list[float]:
        if len(set(values)) != len(values):
            raise ValueError("values must be distinct")
        return values

    def axes(self) -> dict[str, list[Any]]:
        """Return the values of each hyperparameter by its name."""
        return {name: getattr(self, name) for name in HYPERPARAMETERS}

    def points(self) -> Iterator[Point]:
        """Yield every point; the last hyperparameter changes fastest."""
        for values in itertools.product(*self.axes().values()):
            yield Point(**dict(zip(HYPERPARAMETERS, values, strict=True)))

    def size(self) -> int:
        return math.prod(map(len, self.axes().values()))
