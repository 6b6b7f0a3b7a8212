"""The files `dvc plots` draws and compares between commits: fractions, one row per point."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from pipeline.reporting.places import wording
from pipeline.reporting.results import Cell
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Table, Value


def accuracy(summaries: Sequence[CellSummary]) -> Table:
    columns = [Column("cell", "cell"), Column("top1", "test top-1", "share")]
    rows: list[list[Value]] = [[str(s.name), s.top1.mean] for s in summaries if s.top1 is not None]
    return Table("accuracy", "Test top-1 of every evaluated cell", columns, rows)


def search(cell: Cell) -> Table:
    """Top-1 of each trial and the best so far; a failed trial counts as 0."""
    columns = [
        Column("trial", "trial", "count"),
        Column("top1", f"{wording(cell.best.protocol).selection} top-1", "share"),
        Column("best", "best so far", "share"),
    ]
    found = [row.objective or 0.0 for row in cell.trials]
    rows = zip(range(len(found)), found, accumulate(found, max), strict=True)
    return Table(str(cell.name), "Search", columns, [list(row) for row in rows])
