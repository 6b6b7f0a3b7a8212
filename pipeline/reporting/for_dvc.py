"""Make the figures and tables that `dvc metrics` and `dvc plots` compare between commits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from pipeline.reporting.places import wording
from pipeline.reporting.results import Cell
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Table, Value


def metrics(summaries: Sequence[CellSummary]) -> dict[str, Any]:
    """Return the metrics nested by dataset, model and strategy: fractions and device-hours.

    Figures that do not exist yet are left out.
    """
    nested: dict[str, Any] = {}
    for summary in summaries:
        name = summary.name
        chosen_by = wording(summary.choice).column
        figures: dict[str, float | None] = {chosen_by: summary.objective, "trials": summary.trials}
        if summary.top1 is not None and summary.mean_class is not None:
            figures["test_top1"] = summary.top1.mean
            figures["test_mean_class"] = summary.mean_class.mean
            figures |= {"chance": summary.chance, "majority": summary.majority}
            figures["test_openings"] = summary.openings
        nested.setdefault(name.dataset, {}).setdefault(name.model, {})[name.strategy] = figures
    return nested


def accuracy(summaries: Sequence[CellSummary]) -> Table:
    columns = [Column("cell", "cell"), Column("top1", "test top-1", "share")]
    rows: list[list[Value]] = [[str(s.name), s.top1.mean] for s in summaries if s.top1 is not None]
    return Table("accuracy", "Test top-1 of every evaluated cell", columns, rows)


def search(cell: Cell) -> Table:
    """Make a table of each trial's objective and the best so far; a failed trial counts as 0."""
    columns = [
        Column("trial", "trial", "count"),
        Column("objective", wording(cell.best.choice).choice, "share"),
        Column("best", "best so far", "share"),
    ]
    objectives = [row.objective or 0.0 for row in cell.trials]
    rows = zip(range(len(objectives)), objectives, accumulate(objectives, max), strict=True)
    return Table(str(cell.name), "Search", columns, [list(row) for row in rows])
