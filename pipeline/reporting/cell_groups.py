"""Group results by place (a dataset and a model), and turn a finished grid into an array."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from pipeline.base.statistics import Floats, clip_failures
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure
from pipeline.settings.point import FLAGS, HYPERPARAMETERS, Point
from pipeline.settings.schema import OBJECTIVE_TITLES, Objective
from pipeline.trials.record_types import Protocol


class Wording(NamedTuple):
    """The words that the report uses for the figures of a protocol."""

    selection: str
    """The split by which points were chosen."""
    measure: str
    """The metric by which points were chosen."""
    metric: str
    """``measure`` in the form used in the names of columns."""

    @property
    def choice(self) -> str:
        """Name the figure by which points were chosen, such as validation top-1."""
        return f"{self.selection} {self.measure}"

    @property
    def title(self) -> str:
        """``choice`` as a heading."""
        return f"{self.choice[:1].upper()}{self.choice[1:]}"

    @property
    def key(self) -> str:
        """``selection`` in the form used in the names of columns."""
        return self.selection.replace(" ", "_")

    @property
    def column(self) -> str:
        """``choice`` in the form used in the names of columns."""
        return f"{self.key}_{self.metric}".replace(" ", "_")


_SELECTION: dict[Protocol, str] = {"heldout": "validation", "paddle": "test list"}


def wording(*choices: tuple[Protocol, Objective]) -> Wording:
    """Return the words for cells with these protocols and objectives."""
    words = [
        (_SELECTION[protocol], OBJECTIVE_TITLES[name], "likelihood" if name == "loss" else name)
        for protocol, name in dict.fromkeys(choices)
    ]
    columns = (" or ".join(dict.fromkeys(parts)) for parts in zip(*words, strict=True))
    return Wording(*columns)


def how_measured(cells: Iterable[Cell]) -> str:
    """Say how the test accuracies of evaluated cells were computed; others say nothing."""
    ways = []
    for cell in cells:
        if cell.best.protocol == "paddle":
            ways.append("of the one training each point was chosen by, not refitted")
        elif cell.final is not None and len(cell.final.seeds) > 1:
            ways.append("mean over the refits [95 % interval over seeds and test images]")
        elif cell.final is not None:
            ways.append("of one refit")
    return " or ".join(dict.fromkeys(ways)) or "not measured yet"


@dataclass(frozen=True)
class Place:
    """The cells of one dataset and model, by strategy."""

    dataset: str
    model: str
    cells: dict[str, Cell]

    @property
    def stem(self) -> str:
        """First part of the names of its files; also used as an HTML anchor."""
        return re.sub(r"\s+", "_", f"{self.dataset}-{self.model}")

    @property
    def title(self) -> str:
        return f"{self.dataset_title}, {self.model_title}"

    @property
    def dataset_title(self) -> str:
        return next(iter(self.cells.values())).dataset_title

    @property
    def model_title(self) -> str:
        return next(iter(self.cells.values())).model_title


def place_title(places: Sequence[Place]) -> Figure[Place]:
    """Return the column that names a place: by its dataset, and by its model if there are two."""
    if len({place.model for place in places}) > 1:
        return Column("place", "Dataset, network"), attrgetter("title")
    return Column("place", "Dataset"), attrgetter("dataset_title")


def places(cells: Sequence[Cell]) -> list[Place]:
    by_name: dict[tuple[str, str], Place] = {}
    for cell in cells:
        name = cell.name
        at = (name.dataset, name.model)
        by_name.setdefault(at, Place(*at, {})).cells[name.strategy] = cell
    return list(by_name.values())


@dataclass(frozen=True)
class Grid:
    """A full factorial sweep; ``values`` has one axis per hyperparameter, in their order.

    Values are the objectives. A diverged trial counts as the worst of the others; a point that
    failed or was not measured is NaN. In ``measured`` a diverged trial is NaN too.
    """

    axes: dict[str, list[Any]]
    """Values of each hyperparameter, ascending."""
    values: Floats
    measured: Floats

    @property
    def complete(self) -> bool:
        return bool(np.isfinite(self.values).all())

    def index(self, point: Point) -> tuple[int, ...]:
        return tuple(values.index(getattr(point, name)) for name, values in self.axes.items())


def grid_of(cell: Cell) -> Grid:
    measured = [row for row in cell.trials if row.objective is not None]
    axes = {name: sorted({getattr(row, name) for row in cell.trials}) for name in HYPERPARAMETERS}
    values = np.full([len(values) for values in axes.values()], np.nan)
    grid = Grid(axes, values, values.copy())
    objectives = clip_failures(
        [row.objective for row in measured if row.objective is not None],
        [row.status == "diverged" for row in measured],
    )
    for row, value in zip(measured, objectives, strict=True):
        grid.values[grid.index(row.point)] = value
        if row.status != "diverged":
            grid.measured[grid.index(row.point)] = value
    return grid


def describe(point: Point) -> str:
    """Describe a point in a few words."""
    return ", ".join(
        shown.name if name in FLAGS else f"{shown.name} {getattr(point, name):g}"
        for name, shown in HYPERPARAMETERS.items()
        if name not in FLAGS or getattr(point, name)
    )


def point_figures(place: str = "") -> list[Figure[Any]]:
    """Return a figure for each hyperparameter; ``place`` is where an item has its point."""
    return [
        (
            Column(name, shown.heading, "flag" if name in FLAGS else "number"),
            attrgetter(f"{place}{name}"),
        )
        for name, shown in HYPERPARAMETERS.items()
    ]
