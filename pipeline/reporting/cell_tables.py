"""Make the table of cells with all their figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pipeline.reporting import beside
from pipeline.reporting.beside import Figure
from pipeline.reporting.places import Wording, point_columns, wording
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Table, Value

STRATEGY_TITLES = {"fixed": "Fixed", "grid": "Grid", "bayes": "Bayes", "random": "Random"}


def cell_table(summaries: Sequence[CellSummary]) -> Table:
    """Make a row per cell with all its figures and its best point."""
    words = _words(summaries)
    figures: list[Figure] = [
        *cell_titles(summaries),
        (Column("strategy", "Strategy"), lambda s: s.name.strategy),
        (Column("top1", "Test top-1 %", "share"), lambda s: s.top1),
        (Column("mean_class", "Mean per class %", "share"), lambda s: s.mean_class),
        (Column("top5", "Top-5 %", "share"), lambda s: s.top5),
        *beside.COLUMNS,
        (
            Column(words.column, f"{words.title} %", "share"),
            lambda s: s.objective,
        ),
        (Column("trials", "Trials", "count"), lambda s: s.trials),
    ]
    if any(s.diverged for s in summaries):
        figures.append((Column("diverged", "Diverged", "count"), lambda s: s.diverged))
    if any(s.failed for s in summaries):
        figures.append((Column("failed", "Failed", "count"), lambda s: s.failed))
    figures += [
        (Column("device_hours", "Device-hours", "hours"), lambda s: s.hours),
        (
            Column("refit_device_hours", "Refits, device-hours", "hours"),
            lambda s: s.refit_hours,
        ),
        *((column, partial(_value, column.key)) for column in point_columns()),
        (Column("same_point_as", "Same point as"), lambda s: ", ".join(s.same_as)),
    ]
    caption = (
        f"Each cell and the point it chose by {words.choice}. Learning rates are per 256 images."
    )
    if any(s.failed for s in summaries):
        caption += " What a failed trial took is not recorded."
    rows = [[figure(s) for _, figure in figures] for s in summaries]
    return Table("cells", caption, [column for column, _ in figures], rows)


def _value(name: str, summary: CellSummary) -> Value:
    value: Value = getattr(summary.point, name)
    return value


def _words(summaries: Sequence[CellSummary]) -> Wording:
    return wording(*(s.choice for s in summaries))


def cell_titles(summaries: Sequence[CellSummary]) -> list[Figure]:
    """Return the columns that name a cell: the dataset, and the model if there are several."""
    dataset: Figure = (Column("dataset", "Dataset"), lambda s: s.dataset_title)
    model: Figure = (Column("model", "Model"), lambda s: s.model_title)
    return [dataset, model] if len({s.name.model for s in summaries}) > 1 else [dataset]


def ordered(strategies: set[str]) -> list[str]:
    """Sort strategies in the order of the published table; others follow by name."""
    known = [s for s in STRATEGY_TITLES if s in strategies]
    return known + sorted(strategies - set(known))
