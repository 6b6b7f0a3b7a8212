"""Compose the first section: the answer, its table and figure, the claim, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.reporting.answer import answer, answer_table, cost, strategy_table, surprises
from pipeline.reporting.cell_tables import STRATEGY_TITLES, cell_table, ordered
from pipeline.reporting.charts import STRATEGY_COLOURS, STRATEGY_MARKS, Axis, BarChart, BarSeries
from pipeline.reporting.claim_section import claim_section
from pipeline.reporting.comparisons import comparison_table
from pipeline.reporting.document import Block, Items, Section, Text
from pipeline.reporting.places import places, wording
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.result_table import result_table
from pipeline.reporting.results import CellName, Missing, Results
from pipeline.reporting.summary import CellSummary, claims


def overview(
    results: Results,
    summaries: Sequence[CellSummary],
    paddle: Mapping[CellName, float],
    published: Mapping[str, PublishedRow],
) -> Section:
    """Compose the first screen of the report.

    ``paddle`` holds the top-1 of the paddle protocol's pipeline by cell, if it has run.
    """
    blocks: list[Block] = missing_cells(results.missing) if results.missing else []
    if not summaries:
        blocks.append(Text("No cell has results yet.", "notice"))
        return Section("Result", "result", blocks)
    every = places(results.cells)
    table = result_table(summaries, paddle, published)
    if len(every) == 1:
        blocks += [each for each in [answer(every[0], summaries)] if each]
        blocks.append(strategy_table(every[0], summaries))
    else:
        blocks += filter(None, [answer_table(every, summaries), cost(summaries), table])
    evaluated = [s for s in summaries if s.top1 is not None]
    if evaluated:
        blocks.append(accuracy_chart(evaluated))
    blocks.append(Text(_reading(summaries)))
    if any(s.seeds > 1 for s in summaries):
        blocks += filter(None, [surprises(summaries), comparison_table(every)])
    if len(every) == 1:
        blocks.append(table)
    blocks.append(cell_table(summaries))
    tested = claims(results, published)
    return Section("Result", "result", blocks, [claim_section(tested)] if tested else [])


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
            "mean over refits, with its 95 % interval where one is given, under "
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
    """Draw the refits of every strategy as dots, with their mean and its interval."""
    several = len({s.name.model for s in evaluated}) > 1
    labels = {
        (s.name.dataset, s.name.model): s.dataset_title + f", {s.model_title}" * several
        for s in evaluated
    }
    series = []
    for strategy in ordered({s.name.strategy for s in evaluated}):
        cells = {
            (s.name.dataset, s.name.model): s for s in evaluated if s.name.strategy == strategy
        }
        means = [cells[place].top1 if place in cells else None for place in labels]
        series.append(
            BarSeries(
                name=STRATEGY_TITLES.get(strategy, strategy),
                values=[None if mean is None else mean.mean for mean in means],
                low=[None if mean is None else mean.low for mean in means],
                high=[None if mean is None else mean.high for mean in means],
                colour=STRATEGY_COLOURS.get(strategy, "grey"),
                mark=STRATEGY_MARKS.get(strategy, "circle"),
                seeds=[cells[place].seed_top1 if place in cells else [] for place in labels],
            )
        )
    words = wording(*(s.choice for s in evaluated)).test
    return BarChart(
        name="accuracy",
        title="Test accuracy by strategy",
        caption=f"Test top-1, {words}. Small dots are the single refits.",
        x=Axis("test top-1, %", percent=True),
        categories=list(labels.values()),
        series=series,
        dots=True,
    )
