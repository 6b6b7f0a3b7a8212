"""Lay the published figures beside those of both protocols, without mixing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.reporting.published import PublishedRow
from pipeline.reporting.results import CellName
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Table, Value

CAPTION = (
    "Published: PaddleClas, ResNet50_vd from its 79.12 % ImageNet weights; it never released its "
    "recipe, seeds and splits. Paddle protocol: as PaddleClas did, chosen and measured on the test "
    "list itself, best epoch of one training; optimistic. Only this one is comparable with the "
    "published figure."
)
HELDOUT = (
    " Held-out: chosen on validation, last epoch, mean over refits, on a test split that played no "
    "part."
)


def published_table(
    summaries: Sequence[CellSummary],
    paddle: Mapping[CellName, float],
    published: Mapping[str, PublishedRow],
) -> Table | None:
    """Make a row per dataset, model and strategy; None if nothing is published or from ``paddle``.

    ``paddle`` holds the top-1 by cell of the paddle protocol's own pipeline.
    """
    heldout = {s.name: s.top1.mean for s in summaries if s.top1 and s.protocol == "heldout"}
    theirs = {s.name: s.top1.mean for s in summaries if s.top1 and s.protocol == "paddle"}
    theirs.update(paddle)
    datasets = {s.name.dataset: s.dataset_title for s in summaries}
    models = {s.name.model: s.model_title for s in summaries}
    rows: list[list[Value]] = []
    for name in dict.fromkeys([*(s.name for s in summaries), *paddle]):
        known = published.get(name.dataset)
        stated = known.top1.get(name.strategy) if known else None
        if stated is None and name not in paddle:
            continue
        ours = theirs.get(name)
        row: list[Value] = [
            datasets.get(name.dataset, name.dataset),
            models.get(name.model, name.model),
            name.strategy,
            stated,
            ours,
            None if ours is None or stated is None else ours - stated,
        ]
        rows.append([*row, heldout.get(name)] if heldout else row)
    columns = [
        Column("dataset", "Dataset"),
        Column("model", "Model"),
        Column("strategy", "Strategy"),
        Column("published_top1", "%", "share", "Published"),
        Column("paddle_top1", "ours, %", "share", "Paddle protocol"),
        Column("paddle_difference", "minus published, points", "points", "Paddle protocol"),
    ]
    if heldout:
        columns.append(Column("heldout_top1", "ours, %", "share", "Held-out"))
    return Table("published", CAPTION + HELDOUT * bool(heldout), columns, rows) if rows else None
