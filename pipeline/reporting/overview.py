"""The first section: the result table, its figure, the claim tested, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.reporting.cell_tables import STRATEGY_TITLES, cell_table, ordered, result_table
from pipeline.reporting.charts import STRATEGY_COLOURS, STRATEGY_MARKS, Axis, BarChart, BarSeries
from pipeline.reporting.claim_section import claim_section
from pipeline.reporting.document import Block, Items, Section, Text
from pipeline.reporting.places import wording
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.results import CellName, Missing
from pipeline.reporting.summary import CellSummary, Claim


def overview(
    summaries: Sequence[CellSummary],
    paddle: Mapping[CellName, float],
    tested: Sequence[Claim],
    missing: Sequence[Missing],
    published: Mapping[str, PublishedRow],
) -> Section:
    """``paddle`` holds the top-1 of the paddle protocol's own pipeline, or nothing."""
    blocks: list[Block] = []
    if missing:
        blocks += missing_cells(missing)
    if summaries:
        blocks.append(Text(_reading(summaries)))
        blocks.append(result_table(summaries, paddle, published))
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
    cost = (
        " Cost is in device-hours and counts every trial at what it took when it was trained, "
        "replayed or not."
    )
    if not seeds:
        return "Nothing is evaluated yet: the test split is closed." + cost
    if seeds == [1]:
        how = "of one refit of the point that was best on validation, hence without an interval"
    else:
        how = (
            "mean ± half of the 95 % interval over refits under "
            f"{' or '.join(map(str, seeds))} seeds of the point that was best on validation"
        )
    return (
        f"Top-1 accuracy on the test split in percent: {how}. The test split was opened once per "
        f"refit, after the choice.{cost}"
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
            # of a share the t interval may reach past 100 %, where there is nothing
            low=[None if i is None or i.low is None else max(i.low, 0.0) for i in means],
            high=[None if i is None or i.high is None else min(i.high, 1.0) for i in means],
            colour=STRATEGY_COLOURS.get(strategy, "grey"),
            mark=STRATEGY_MARKS.get(strategy, "circle"),
        )

    return BarChart(
        name="accuracy",
        title="Test accuracy by strategy",
        caption=f"Test top-1, {wording(*(s.protocol for s in evaluated)).test}.",
        x=Axis("test top-1, %", percent=True),
        categories=[label(place) for place in places],
        series=[series(s) for s in ordered({s.name.strategy for s in evaluated})],
        dots=True,
    )
