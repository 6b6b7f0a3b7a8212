"""Choose how a search begins: the points the user named, the best of other sweeps, and a walk."""

import csv
import logging
import math
from collections import defaultdict
from pathlib import Path

from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from scipy.stats import rankdata

from .dimensions import Point
from .errors import SweepError
from .records import parameter_column
from .rules import sign
from .space import Space
from .walk import can_be_walked

log = logging.getLogger(__name__)


def initial_points(options: SkoptSweeperConf, space: Space) -> list[Point]:
    """Return the named points in their order, then those of the warm start, best first.

    Raises:
        SweepError: a named point is not in the space, or a table has no trial in the space.
    """
    named = [space.point(values) for values in options.initial_points]
    if not options.warm_start:
        return named
    tables = [_values(Path(path), space, options.direction) for path in options.warm_start]
    best = _by_mean_rank(tables)[: options.warm_start_points]
    log.info("warm start: the best %d points of %d tables", len(best), len(tables))
    return named + best


def line(options: SkoptSweeperConf, space: Space) -> list[int]:
    """Return the indices of the dimensions to walk along.

    Raises:
        SweepError: one is not in the space, or is not a list of ordered values.
    """
    names = [parameter.name for parameter in space.parameters]
    axes = []
    for name in options.line:
        if name not in names:
            raise SweepError(
                f"hydra.sweeper.line names {name}, which is not swept; swept are {', '.join(names)}"
            )
        parameter = space.parameters[names.index(name)]
        if not can_be_walked(parameter.dimension):
            raise SweepError(
                f"hydra.sweeper.line names {name}, but {name} is {parameter.sweep}; a line is a "
                "list of numbers that rise or fall, or a list tagged as ordered"
            )
        axes.append(names.index(name))
    return axes


def _values(path: Path, space: Space, direction: str) -> dict[Point, float]:
    """Read the finished trials of a table that lie in the space, as values to be maximised."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SweepError(f"hydra.sweeper.warm_start: cannot read {path}: {error}") from None
    columns = {p.name: parameter_column(p.name) for p in space.parameters}
    header = set(rows[0]) if rows else set()
    if missing := [c for c in ("objective", *columns.values()) if c not in header]:
        raise SweepError(f"hydra.sweeper.warm_start: {path} has no column {missing[0]}")
    values: dict[Point, float] = {}
    for row in rows:
        try:
            objective = float(row["objective"])
            point = space.point({name: row[column] for name, column in columns.items()})
        except (ValueError, TypeError, SweepError):
            continue  # a failed trial, or a point that this space does not have
        if math.isfinite(objective):
            values[point] = sign(direction) * objective
    if not values:
        raise SweepError(f"hydra.sweeper.warm_start: no trial of {path} lies in the space")
    return values


def _by_mean_rank(tables: list[dict[Point, float]]) -> list[Point]:
    """Sort all points by their mean rank, as a share of each table; the best comes first."""
    ranks: dict[Point, list[float]] = defaultdict(list)
    for table in tables:
        shares = rankdata([-value for value in table.values()]) / len(table)
        for point, share in zip(table, shares, strict=True):
            ranks[point].append(float(share))
    return sorted(ranks, key=lambda point: sum(ranks[point]) / len(ranks[point]))
