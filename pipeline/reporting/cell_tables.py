"""Make the table of cells with all their figures."""

from collections.abc import Sequence
from dataclasses import replace
from operator import methodcaller

from pipeline.reporting import accuracy_context
from pipeline.reporting.cell_groups import point_figures, wording
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure, Table, tabulated


def cell_table(cells: Sequence[Cell]) -> Table:
    """Make a row per cell with all its figures and its best point."""
    words = wording(*(cell.best.choice for cell in cells))
    figures: list[Figure[Cell]] = [
        *cell_titles(cells),
        (Column("strategy", "Strategy"), lambda c: c.name.strategy),
        (Column("top1", "Test top-1 %", "share"), lambda c: c.top1),
        (Column("mean_class", "Mean per class %", "share"), lambda c: c.mean("mean_class")),
        (Column("top5", "Top-5 %", "share"), lambda c: c.mean("top5")),
        *accuracy_context.COLUMNS,
        (Column(words.column, f"{words.title} %", "share"), lambda c: c.best.objective),
        (Column("trials", "Trials", "count"), lambda c: len(c.trials)),
        *(
            (Column(status, status.capitalize(), "count"), methodcaller("trials_that", status))
            for status in ("diverged", "failed")
            if any(cell.trials_that(status) for cell in cells)
        ),
        (Column("device_hours", "Device-hours", "hours"), lambda c: c.seconds / 3600),
        (
            Column("refit_device_hours", "Refits, device-hours", "hours"),
            lambda c: None if c.refit_seconds is None else c.refit_seconds / 3600,
        ),
        *point_figures("best.point."),
        (Column("same_point_as", "Same point as"), lambda c: ", ".join(same_as(c, cells))),
    ]
    caption = (
        f"Each cell and the point it chose by {words.choice}. Learning rates are per 256 images."
    )
    if any(cell.trials_that("failed") for cell in cells):
        caption += " What a failed trial took is not recorded."
    return tabulated("cells", caption, figures, cells)


def same_as(cell: Cell, cells: Sequence[Cell]) -> list[str]:
    """Return the other strategies of a dataset and model that chose the same point."""
    return [
        other.name.strategy
        for other in cells
        if replace(other.name, strategy=cell.name.strategy) == cell.name != other.name
        and other.best.point == cell.best.point
    ]


def cell_titles(cells: Sequence[Cell]) -> list[Figure[Cell]]:
    """Return the columns that name a cell: the dataset, and the model if there are several."""
    dataset: Figure[Cell] = (Column("dataset", "Dataset"), lambda c: c.dataset_title)
    model: Figure[Cell] = (Column("model", "Network"), lambda c: c.model_title)
    return [dataset, model] if len({cell.name.model for cell in cells}) > 1 else [dataset]
