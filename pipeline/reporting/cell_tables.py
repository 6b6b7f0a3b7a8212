"""Make the tables of cells: in the published form, in full, and for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import fmean

from pipeline.reporting import beside
from pipeline.reporting.beside import Figure
from pipeline.reporting.places import Wording, point_columns, wording
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Table, Value

STRATEGY_TITLES = {"fixed": "Fixed", "grid": "Grid", "bayes": "Bayes", "random": "Random"}


def result_table(summaries: Sequence[CellSummary]) -> Table:
    """Make a row per dataset and model as in the published table, with the average below."""
    rows_of: dict[tuple[str, str], dict[str, CellSummary]] = {}
    for summary in summaries:
        place = (summary.name.dataset, summary.name.model)
        rows_of.setdefault(place, {})[summary.name.strategy] = summary
    figures = {
        strategy: _figures(strategy) for strategy in ordered({s.name.strategy for s in summaries})
    }
    titles = cell_titles(summaries)
    columns = [column for column, _ in titles]
    columns += [column for each in figures.values() for column, _ in each]
    columns += [column for column, _ in beside.COLUMNS]
    rows: list[list[Value]] = []
    for cells in rows_of.values():
        some = next(iter(cells.values()))
        row = [title(some) for _, title in titles]
        for strategy, each in figures.items():
            cell = cells.get(strategy)
            row += [None if cell is None else figure(cell) for _, figure in each]
        evaluated = next((cell for cell in cells.values() if cell.top1), some)
        rows.append([*row, *(figure(evaluated) for _, figure in beside.COLUMNS)])
    caption = f"Test top-1 by search strategy{_only_model(summaries)}, mean over the refit seeds."
    if any(s.protocol == "paddle" for s in summaries):
        caption = f"Test list top-1 by search strategy{_only_model(summaries)}, one training each."
    caption += beside.CAPTION
    footer = _average(rows, len(titles))
    if footer:
        caption += " The average is over the rows without a gap."
    return Table("result", caption, columns, rows, footer)


def _figures(strategy: str) -> list[Figure]:
    group = STRATEGY_TITLES.get(strategy, strategy)
    figures: list[Figure] = [(Column(f"{strategy}_top1", "top-1, %", "share", group), _mean)]
    if strategy != "fixed":
        trials = Column(f"{strategy}_trials", "trials", "count", group)
        figures.append((trials, lambda cell: cell.trials))
    return figures


def _mean(cell: CellSummary) -> float | None:
    return None if cell.top1 is None else cell.top1.mean


def _average(rows: Sequence[list[Value]], titles: int) -> list[Value] | None:
    """Average each column over the complete rows; None if there are fewer than two."""
    complete = [row for row in rows if None not in row]
    if len(complete) < 2:
        return None
    means: list[Value] = []
    for values in list(zip(*complete, strict=True))[titles:]:
        mean = fmean(value for value in values if isinstance(value, (int, float)))
        means.append(round(mean) if isinstance(values[0], int) else mean)
    return ["Average", *([""] * (titles - 1)), *means]


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


def _only_model(summaries: Sequence[CellSummary]) -> str:
    """Return the words for a caption that name the only model; empty if there are several."""
    titles = {s.name.model: s.model_title for s in summaries}
    return f", {next(iter(titles.values()))}" if len(titles) == 1 else ""


def ordered(strategies: set[str]) -> list[str]:
    """Sort strategies in the order of the published table; others follow by name."""
    known = [s for s in STRATEGY_TITLES if s in strategies]
    return known + sorted(strategies - set(known))
