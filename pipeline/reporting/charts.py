"""Define charts as plain numbers, independent of how they are drawn."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Mark = Literal["circle", "square", "diamond", "triangle"]
Colour = Literal["blue", "green", "orange", "pink", "grey"]

OKABE_ITO: dict[Colour, str] = {
    "blue": "#0072B2",
    "green": "#009E73",
    "orange": "#D55E00",
    "pink": "#CC79A7",
    "grey": "#7F7F7F",
}
"""Okabe and Ito's colour-blind-safe palette: the colours visible on light and on dark."""


class Look(NamedTuple):
    """How a strategy is named and drawn."""

    title: str
    colour: Colour
    mark: Mark


LOOKS = {
    "fixed": Look("Fixed", "orange", "square"),
    "grid": Look("Grid", "blue", "circle"),
    "bayes": Look("Bayes", "green", "diamond"),
    "random": Look("Random", "pink", "triangle"),
}
"""By strategy, in the order of the published table."""


def look_of(strategy: str) -> Look:
    """Return the look of a strategy, also of one that is not in ``LOOKS``."""
    return LOOKS.get(strategy, Look(strategy, "grey", "circle"))


def ordered(strategies: set[str]) -> list[str]:
    """Sort strategies in the order of ``LOOKS``; others follow by name."""
    known = [name for name in LOOKS if name in strategies]
    return known + sorted(strategies - LOOKS.keys())


@dataclass(frozen=True)
class Axis:
    title: str
    percent: bool = False
    """Whether values are fractions that are shown as percent."""
    whole: bool = False
    """Whether only whole numbers make sense, as for epochs and trials."""
    limits: tuple[float, float] | None = None
    """The range shown, in the units of the axis; values outside are cut off."""


@dataclass(frozen=True)
class Series:
    """One line or cloud of points; ``low`` and ``high`` draw a band (line) or bars (points)."""

    name: str
    x: list[float]
    y: list[float]
    colour: Colour
    style: Literal["line", "step", "points"] = "line"
    dashed: bool = False
    mark: Mark = "circle"
    low: list[float] | None = None
    high: list[float] | None = None
    labels: list[str] = field(default_factory=list)
    """Short words written beside the points."""


@dataclass(frozen=True)
class Chart:
    """A chart; ``name`` is that of its file without suffix."""

    name: str
    title: str
    caption: str


@dataclass(frozen=True)
class LineChart(Chart):
    x: Axis
    y: Axis
    series: list[Series]
    faint: list[tuple[list[float], list[float]]] = field(default_factory=list)
    """x and y of lines drawn thinly behind the series."""


@dataclass(frozen=True)
class BarSeries:
    """A value per category; None leaves its place empty."""

    name: str
    values: list[float | None]
    colour: Colour
    mark: Mark = "circle"
    low: list[float | None] | None = None
    high: list[float | None] | None = None
    seeds: list[list[float]] | None = None
    """The single values behind each mean, drawn as small dots."""


@dataclass(frozen=True)
class BarChart(Chart):
    """Horizontal bars, categories from top to bottom; ``dots`` if bars from 0 make no sense."""

    x: Axis
    categories: list[str]
    series: list[BarSeries]
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    title: str
    values: list[list[float | None]]
    """Rows from top to bottom."""
    marked: tuple[int, int] | None = None
    """Row and column of the cell to frame."""


@dataclass(frozen=True)
class HeatMap(Chart):
    """Panels with the same labels and a shared colour scale."""

    x_title: str
    y_title: str
    x_labels: list[str]
    y_labels: list[str]
    panels: list[Panel]
    scale: Literal["share", "count"]
    """Fractions shown as percent with their figures, or counts."""


@dataclass(frozen=True)
class Parallel(Chart):
    """Parallel coordinates: an axis per hyperparameter, a line per trial."""

    axes: list[tuple[str, list[str]]]
    """Title of each axis and the names of its values, from bottom to top."""
    lines: list[tuple[tuple[int, ...], float]]
    """For each line: its position on each axis, and the fraction that sets its colour."""
