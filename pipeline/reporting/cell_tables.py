"""The tables of cells: laid out as the published one, in full, and for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipeline.reporting.places import Wording, point_columns, point_values, wording
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.results import CellName
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Kind, Table, Value

STRATEGY_TITLES = {
    "fixed": "Fixed",
    "grid": "Grid",
    "bayes": "Bayes",
    "random": "Random",
}


def result_table(
    summaries: Sequence[CellSummary],
    paddle: Mapping[CellName, float],
    published: Mapping[str, PublishedRow],
) -> Table:
    """A row per dataset and model, laid out as the published table.

    ``paddle`` holds the top-1 of the paddle protocol's own pipeline, or nothing.
    """
    strategies = ordered({s.name.strategy for s in summaries})
    theirs = ordered({name.strategy for name in paddle})
    ours = {s.name: s for s in summaries}
    places = list(dict.fromkeys((name.dataset, name.model) for name in [*ours, *paddle]))
    compared = any(dataset in published for dataset, _ in places)
    columns = _place_columns(places)
    for strategy in strategies:
        columns += [column for column, _ in _measured(strategy, compared)]
    for strategy in theirs:
        columns += _by_paddle(strategy, compared)
    rows = []
    for place in places:
        dataset, model = place
        row = _place(place, places, summaries)
        for strategy in strategies:
            cell = ours.get(CellName(dataset, model, strategy))
            row += [figure(cell) if cell else None for _, figure in _measured(strategy, compared)]
        for strategy in theirs:
            top1 = paddle.get(CellName(dataset, model, strategy))
            known = published[dataset].top1.get(strategy) if dataset in published else None
            apart = None if top1 is None or known is None else top1 - known
            row += [top1, apart] if compared else [top1]
        rows.append(row)
    named = _only_model(summaries) if len({model for _, model in places}) == 1 else ""
    caption = f"Test accuracy by search strategy{named}; hours are device-hours."
    if compared:
        caption += (
            " Published: PaddleClas, ResNet50_vd from its 79.12 % ImageNet weights; its recipe was "
            "never released."
        )
    if paddle:
        caption += (
            " The columns Paddle protocol were chosen and measured on the test list itself, best "
            "epoch, as PaddleClas did: they are optimistic and not comparable with the others."
        )
    return Table("result", caption, columns, rows)


def _measured(strategy: str, compared: bool) -> list[tuple[Column, Callable[[CellSummary], Value]]]:
    """The columns of a strategy, and what stands in them; a fixed point is one trial."""
    group = STRATEGY_TITLES.get(strategy, strategy)

    def column(key: str, heading: str, kind: Kind) -> Column:
        return Column(f"{strategy}_{key}", heading, kind, group)

    found: list[tuple[Column, Callable[[CellSummary], Value]]] = [
        (column("top1", "top-1 %", "share"), lambda cell: cell.top1),
        (column("mean_class", "mean per class %", "share"), lambda cell: cell.mean_class),
    ]
    if compared:
        found.append((column("published", "published", "share"), lambda cell: cell.published))
        found.append((column("difference", "diff.", "points"), lambda cell: cell.difference))
    if strategy != "fixed":
        found.append((column("trials", "trials", "count"), lambda cell: cell.trials))
    found.append((column("hours", "hours", "hours"), lambda cell: cell.hours))
    return found


def _by_paddle(strategy: str, compared: bool) -> list[Column]:
    title = f"{STRATEGY_TITLES.get(strategy, strategy).lower()} top-1 %"
    group = "Paddle protocol"
    columns = [Column(f"paddle_{strategy}_top1", title, "share", group)]
    if compared:
        columns.append(Column(f"paddle_{strategy}_difference", "diff.", "points", group))
    return columns


def cell_table(summaries: Sequence[CellSummary]) -> Table:
    """A row per cell: every figure of it, and the best point."""
    words = _wording(summaries)
    places = [(s.name.dataset, s.name.model) for s in summaries]
    ended = _ended(summaries)
    columns = [
        *_place_columns(places),
        Column("strategy", "Strategy"),
        Column("top1", "Test top-1 %", "share"),
        Column("mean_class", "Mean per class %", "share"),
        Column("top5", "Top-5 %", "share"),
        Column(f"{words.key}_top1", f"{words.selection.capitalize()} top-1 %", "share"),
        Column("trials", "Trials", "count"),
        Column("trained", "Trained", "count"),
        *(column for column, _ in ended),
        Column("device_hours", "Device-hours", "hours"),
        Column("refit_device_hours", "Refits, device-hours", "hours"),
        *point_columns(),
        Column("same_point_as", "Same point as"),
    ]
    rows: list[list[Value]] = [
        [
            *_place((s.name.dataset, s.name.model), places, summaries),
            s.name.strategy,
            *(s.top1, s.mean_class, s.top5, s.objective),
            *(s.trials, s.trained, *(count(s) for _, count in ended), s.hours, s.refit_hours),
            *point_values(s.point),
            ", ".join(s.same_as),
        ]
        for s in summaries
    ]
    caption = (
        f"Each cell and the point it chose by {words.selection} top-1. Trained: trials that ran "
        "for this cell; the others had been trained before and were replayed. Learning rates are "
        "per 256 images."
    )
    if any(s.failed for s in summaries):
        caption += " What a failed trial took is not recorded."
    return Table("cells", caption, columns, rows)


def _ended(
    summaries: Sequence[CellSummary],
) -> list[tuple[Column, Callable[[CellSummary], Value]]]:
    """Columns of the trials that diverged and failed, where there are any."""
    found: list[tuple[Column, Callable[[CellSummary], Value]]] = []
    if any(s.diverged for s in summaries):
        found.append((Column("diverged", "Diverged", "count"), lambda s: s.diverged))
    if any(s.failed for s in summaries):
        found.append((Column("failed", "Failed", "count"), lambda s: s.failed))
    return found


def console_table(summaries: Sequence[CellSummary]) -> Table:
    """What the stage prints at its end: the cells, as far as a terminal has room for them."""
    cells = cell_table(summaries)
    left_out = {"mean_class", "top5", f"{_wording(summaries).key}_top1", "refit_device_hours"}
    kept = [i for i, column in enumerate(cells.columns) if column.key not in left_out]
    return Table(
        "console",
        cells.caption,
        [cells.columns[i] for i in kept],
        [[row[i] for i in kept] for row in cells.rows],
    )


def _wording(summaries: Sequence[CellSummary]) -> Wording:
    return wording(*(s.protocol for s in summaries))


def _place_columns(places: Sequence[tuple[str, str]]) -> list[Column]:
    """The dataset, and the model where the report has more than one."""
    columns = [Column("dataset", "Dataset"), Column("model", "Model")]
    return columns if len({model for _, model in places}) > 1 else columns[:1]


def _place(
    place: tuple[str, str], places: Sequence[tuple[str, str]], summaries: Sequence[CellSummary]
) -> list[Value]:
    """The titles of a dataset and, as in the columns, a model; their names where none is known."""
    dataset, model = place
    titles = {s.name.dataset: s.dataset_title for s in summaries}
    models = {s.name.model: s.model_title for s in summaries}
    found: list[Value] = [titles.get(dataset, dataset), models.get(model, model)]
    return found[: len(_place_columns(places))]


def _only_model(summaries: Sequence[CellSummary]) -> str:
    """The one model all cells share, to be named in a caption; empty where there are more."""
    names = {s.name.model for s in summaries}
    titles = [s.model_title for s in summaries if s.top1 is not None] or sorted(names)
    return f", {titles[0]}" if len(names) == 1 else ""


def ordered(strategies: set[str]) -> list[str]:
    """As the published table has them, then by name."""
    known = [s for s in STRATEGY_TITLES if s in strategies]
    return known + sorted(strategies - set(known))
