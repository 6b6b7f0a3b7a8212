"""The first section: the result table, its figure, the claim tested, what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reporting.charts import (
    STRATEGY_COLOURS,
    STRATEGY_MARKS,
    Axis,
    BarChart,
    BarSeries,
)
from pipeline.reporting.claim_section import claim_section
from pipeline.reporting.document import Block, Items, Section, Text
from pipeline.reporting.results import CellName, Missing
from pipeline.reporting.summary import CellSummary, Claim
from pipeline.reporting.tables import Column, Table, Value

STRATEGY_TITLES = {
    "fixed": "Fixed",
    "grid": "Grid",
    "bayes": "Bayes",
    "random": "Random",
}


def overview(
    summaries: Sequence[CellSummary],
    paddle: Sequence[CellSummary],
    tested: Sequence[Claim],
    missing: Sequence[Missing],
) -> Section:
    """``paddle`` holds the cells of the paddle protocol's own pipeline, or nothing."""
    blocks: list[Block] = []
    if missing:
        blocks += missing_cells(missing)
    if summaries:
        blocks.append(Text(_reading(summaries)))
        blocks.append(result_table(summaries, paddle))
        evaluated = [s for s in summaries if s.top1 is not None]
        if evaluated:
            blocks.append(accuracy_chart(evaluated))
        blocks.append(cell_table(summaries))
    else:
        blocks.append(Text("No cell has results yet.", "notice"))
    sections = [claim_section(tested)] if tested else []
    return Section("Result", "result", blocks, sections)


def _reading(summaries: Sequence[CellSummary]) -> str:
    if any(s.protocol == "paddle" for s in summaries):
        return (
            "Top-1 accuracy in percent by PaddleClas's protocol: trained on train and validation, "
            "chosen and measured on the test list itself, at its best epoch. These figures are "
            "optimistic. Cost is in device-hours."
        )
    seeds = sorted({s.seeds for s in summaries if s.seeds})
    count = " or ".join(map(str, seeds)) or "no"
    return (
        "Top-1 accuracy on the test split in percent: mean ± half of the 95 % interval over "
        f"refits under {count} seeds of the point that was best on validation. The test split "
        "was opened once per refit, after the choice. Cost is in device-hours and counts every "
        "trial at what it took when it was trained, replayed or not."
    )


def missing_cells(missing: Sequence[Missing]) -> list[Block]:
    return [
        Text(
            f"{len(missing)} cells are missing; the rest is shown. What has still to run:"
            if len(missing) > 1
            else "One cell is missing; the rest is shown. What has still to run:",
            "notice",
        ),
        Items([f"`{cell.target}`" for cell in missing]),
    ]


def result_table(summaries: Sequence[CellSummary], paddle: Sequence[CellSummary]) -> Table:
    """A row per dataset and model, laid out as the published table."""
    strategies = _ordered({s.name.strategy for s in summaries})
    compared = any(s.published is not None for s in summaries)
    columns = _place_columns(summaries)
    for strategy in strategies:
        group = STRATEGY_TITLES.get(strategy, strategy)
        columns.append(Column(f"{strategy}_top1", "top-1 %", "share", group))
        if compared:
            columns.append(Column(f"{strategy}_published", "published", "share", group))
            columns.append(Column(f"{strategy}_difference", "diff.", "points", group))
        columns.append(Column(f"{strategy}_trials", "trials", "count", group))
        columns.append(Column(f"{strategy}_hours", "hours", "hours", group))
    if paddle:
        columns += _paddle_columns(strategies, compared)
    ours = {s.name: s for s in summaries}
    theirs = {s.name: s for s in paddle}
    rows = []
    for dataset, model in dict.fromkeys((s.name.dataset, s.name.model) for s in summaries):
        found = {s: ours.get(CellName(dataset, model, s)) for s in strategies}
        cells = {strategy: cell for strategy, cell in found.items() if cell}
        some = next(iter(cells.values()))
        row = _place(some, summaries)
        for strategy in strategies:
            cell = cells.get(strategy)
            row.append(cell.top1 if cell else None)
            if compared:
                row += [cell.published, cell.difference] if cell else [None, None]
            row += [cell.trials, cell.hours] if cell else [None, None]
        for strategy in strategies if paddle else ():
            match = theirs.get(CellName(dataset, model, strategy))
            row.append(match.top1 if match else None)
            if compared:
                row.append(match.difference if match else None)
        rows.append(row)
    caption = f"Test accuracy by search strategy{_only_model(summaries)}; hours are device-hours."
    if compared:
        caption += " Published: PaddleClas, ResNet50_vd from its 79.12 % ImageNet weights."
    if paddle:
        caption += (
            " The columns Paddle protocol were chosen and measured on the test list itself, best "
            "epoch, as PaddleClas did: they are optimistic and not comparable with the others."
        )
    return Table("result", caption, columns, rows)


def _paddle_columns(strategies: Sequence[str], compared: bool) -> list[Column]:
    columns = []
    for strategy in strategies:
        title = f"{STRATEGY_TITLES.get(strategy, strategy).lower()} top-1 %"
        group = "Paddle protocol"
        columns.append(Column(f"paddle_{strategy}_top1", title, "share", group))
        if compared:
            columns.append(Column(f"paddle_{strategy}_difference", "diff.", "points", group))
    return columns


def cell_table(summaries: Sequence[CellSummary]) -> Table:
    """A row per cell: every figure of it, and the best point."""
    columns = [
        *_place_columns(summaries),
        Column("strategy", "Strategy"),
        Column("top1", "Test top-1 %", "share"),
        Column("mean_class", "Mean per class %", "share"),
        Column("top5", "Top-5 %", "share"),
        Column("validation_top1", "Validation top-1 %", "share"),
        Column("trials", "Trials", "count"),
        Column("trained", "Trained", "count"),
        Column("device_hours", "Device-hours", "hours"),
        Column("refit_device_hours", "Refits, device-hours", "hours"),
        Column("lr", "lr", "number"),
        Column("l2_decay", "L2 decay", "number"),
        Column("label_smoothing", "Label smoothing", "flag"),
        Column("mixup", "Mixup", "flag"),
        Column("same_point_as", "Same point as"),
    ]
    rows: list[list[Value]] = [
        [
            *_place(s, summaries),
            s.name.strategy,
            *(s.top1, s.mean_class, s.top5, s.objective),
            *(s.trials, s.trained, s.hours, s.refit_hours),
            *(s.point.lr, s.point.l2_decay, s.point.label_smoothing, s.point.mixup),
            ", ".join(s.same_as),
        ]
        for s in summaries
    ]
    caption = (
        "Each cell and the point it chose on validation. Trained: trials that ran for this cell; "
        "the others had been trained before and were replayed. Learning rates are per 256 images."
    )
    return Table("cells", caption, columns, rows)


def console_table(summaries: Sequence[CellSummary]) -> Table:
    """What the stage prints at its end: the cells, as far as a terminal has room for them."""
    cells = cell_table(summaries)
    left_out = {"mean_class", "top5", "validation_top1", "refit_device_hours"}
    kept = [i for i, column in enumerate(cells.columns) if column.key not in left_out]
    return Table(
        "console",
        cells.caption,
        [cells.columns[i] for i in kept],
        [[row[i] for i in kept] for row in cells.rows],
    )


def accuracy_chart(evaluated: Sequence[CellSummary]) -> BarChart:
    places = list(dict.fromkeys((s.name.dataset, s.name.model) for s in evaluated))
    many_models = len({model for _, model in places}) > 1
    found = {s.name: s for s in evaluated}
    titles = {(s.name.dataset, s.name.model): s for s in evaluated}

    def label(place: tuple[str, str]) -> str:
        cell = titles[place]
        return f"{cell.dataset_title}, {cell.model_title}" if many_models else cell.dataset_title

    def series(strategy: str) -> BarSeries:
        cells = [found.get(CellName(*place, strategy)) for place in places]
        means = [s.top1 if s else None for s in cells]
        return BarSeries(
            name=STRATEGY_TITLES.get(strategy, strategy),
            values=[i.mean if i else None for i in means],
            low=[i.low if i else None for i in means],
            high=[i.high if i else None for i in means],
            colour=STRATEGY_COLOURS.get(strategy, "grey"),
            mark=STRATEGY_MARKS.get(strategy, "circle"),
        )

    return BarChart(
        name="accuracy",
        title="Test accuracy by strategy",
        caption="Mean and 95 % interval over the refit seeds.",
        x=Axis("test top-1, %", percent=True),
        categories=[label(place) for place in places],
        series=[series(s) for s in _ordered({s.name.strategy for s in evaluated})],
        dots=True,
    )


def _place_columns(summaries: Sequence[CellSummary]) -> list[Column]:
    """The dataset, and the model where the report has more than one."""
    columns = [Column("dataset", "Dataset"), Column("model", "Model")]
    return columns[: len(_place(summaries[0], summaries))]


def _place(summary: CellSummary, summaries: Sequence[CellSummary]) -> list[Value]:
    place: list[Value] = [summary.dataset_title]
    return place if _only_model(summaries) else [*place, summary.model_title]


def _only_model(summaries: Sequence[CellSummary]) -> str:
    """The one model all cells share, to be named in a caption; empty where there are more."""
    names = {s.name.model for s in summaries}
    titles = [s.model_title for s in summaries if s.top1 is not None] or sorted(names)
    return f", {titles[0]}" if len(names) == 1 else ""


def _ordered(strategies: set[str]) -> list[str]:
    known = [s for s in STRATEGY_TITLES if s in strategies]
    return known + sorted(strategies - set(known))
