"""Make the figures and tables that `dvc metrics` and `dvc plots` compare between commits."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from pipeline.reporting.cell_groups import wording
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Table, Value


def metrics(cells: Sequence[Cell]) -> dict[str, Any]:
    """Return the metrics nested by dataset, model and strategy: fractions and device-hours.

    Figures that do not exist yet are left out.
    """
    nested: dict[str, Any] = {}
    for cell in cells:
        name, final = cell.name, cell.final
        figures: dict[str, float | None] = {
            wording(cell.best.choice).column: cell.best.objective,
            "trials": len(cell.trials),
        }
        top1, mean_class = cell.top1, cell.mean("mean_class")
        if final and top1 and mean_class:
            figures |= {"test_top1": top1.mean, "test_mean_class": mean_class.mean}
            figures |= {"chance": final.chance, "majority": final.majority}
            figures["test_openings"] = cell.opened
        nested.setdefault(name.dataset, {}).setdefault(name.model, {})[name.strategy] = figures
    return nested


def accuracy(cells: Sequence[Cell]) -> Table:
    columns = [Column("cell", "cell"), Column("top1", "test top-1", "share")]
    rows: list[list[Value]] = [[str(each.name), each.top1.mean] for each in cells if each.top1]
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
