"""Lay out the results as the published table is: a row per dataset, protocols never mixed."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from pipeline.reporting import accuracy_context
from pipeline.reporting.charts import look_of, ordered
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.results import Cell, CellName
from pipeline.reporting.tables import Column, Kind, Table, Value

MEANING = {
    "heldout_top1": (
        "Held-out: chosen on validation, measured on a test split that played no part, mean over "
        "the refits."
    ),
    "paddle_top1": (
        "Paddle: as PaddleClas did, chosen and measured on the test list itself, at the best epoch "
        "of one training, so optimistic."
    ),
    "published_top1": (
        "Published: PaddleClas, ResNet50_vd from its 79.12 % ImageNet weights; comparable with the "
        "Paddle protocol only."
    ),
    "paddle_difference": "Diff.: Paddle minus published, in points.",
}


def result_table(
    cells: Sequence[Cell],
    paddle: Mapping[CellName, float],
    published: Mapping[str, PublishedRow],
) -> Table:
    """Make a row per dataset and model, with the figures of each strategy.

    Below are the averages, one for each model.

    ``paddle`` holds the top-1 by cell of the paddle protocol's own pipeline.
    """
    names = dict.fromkeys([*(cell.name for cell in cells), *paddle])
    heldout, theirs = (
        {c.name: c.top1.mean for c in cells if c.top1 and c.best.protocol == protocol}
        for protocol in ("heldout", "paddle")
    )
    theirs.update(paddle)
    stated = {
        name: published[name.dataset].top1[name.strategy]
        for name in names
        if name.dataset in published and name.strategy in published[name.dataset].top1
    }
    kinds: list[tuple[str, str, Kind, Mapping[CellName, Value]]] = [
        ("heldout_top1", "held-out", "share", heldout),
        ("paddle_top1", "paddle", "share", theirs),
        ("published_top1", "published", "share", stated),
        (
            *("paddle_difference", "diff.", "points"),
            {name: theirs[name] - stated[name] for name in names if name in theirs.keys() & stated},
        ),
        (
            *("trials", "trials", "count"),
            {c.name: len(c.trials) for c in cells if c.name.strategy != "fixed"},
        ),
    ]
    datasets = {cell.name.dataset: cell.dataset_title for cell in cells}
    models = {cell.name.model: cell.model_title for cell in cells}
    several = len({name.model for name in names}) > 1
    places = dict.fromkeys((name.dataset, name.model) for name in names)
    evaluated = {(c.name.dataset, c.name.model): c for c in cells if c.top1}
    columns = [Column("dataset", "Dataset"), *([Column("model", "Network")] if several else [])]
    rows: list[list[Value]] = [
        [datasets.get(d, d), *([models.get(m, m)] if several else [])] for d, m in places
    ]
    for strategy in ordered({name.strategy for name in names}):
        group = look_of(strategy).title
        for key, heading, kind, values in kinds:
            if not any(name.strategy == strategy for name in values):
                continue
            columns.append(Column(f"{strategy}_{key}", heading, kind, group))
            for row, place in zip(rows, places, strict=True):
                row.append(values.get(CellName(*place, strategy)))
    for column, figure in accuracy_context.COLUMNS:
        columns.append(column)
        for row, place in zip(rows, places, strict=True):
            row.append(figure(evaluated[place]) if place in evaluated else None)
    shown = {key: values for key, _, _, values in kinds}
    model = "" if several else f" of {next(iter(models.values()))}"
    caption = f"Top-1 accuracy{model} by search strategy, in percent. "
    caption += (
        " ".join(text for key, text in MEANING.items() if shown[key]) + accuracy_context.CAPTION
    )
    footers = _averages(rows, 1 + several)
    if footers:
        caption += " An average is over the rows without a gap."
    return Table("result", caption, columns, rows, footers)


def _averages(rows: Sequence[list[Value]], titles: int) -> list[list[Value]]:
    """Average each column over the complete rows of each model, if it has at least two.

    The first ``titles`` columns are the dataset and, if there are several, the model.
    """
    by_model: dict[tuple[Value, ...], list[list[Value]]] = {}
    for row in rows:
        if None not in row:
            by_model.setdefault(tuple(row[1:titles]), []).append(row[titles:])
    return [
        ["Average", *model, *map(_mean, zip(*complete, strict=True))]
        for model, complete in by_model.items()
        if len(complete) > 1
    ]


def _mean(values: Sequence[Value]) -> Value:
    mean = fmean(value for value in values if isinstance(value, (int, float)))
    return round(mean) if isinstance(values[0], int) else mean
