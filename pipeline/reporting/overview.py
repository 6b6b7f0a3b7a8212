"""Compose the first section: the answer, its table and figure, the claim, what is missing."""

from collections.abc import Mapping, Sequence

from pipeline.reporting.cell_groups import Place, how_measured, places
from pipeline.reporting.cell_tables import cell_table
from pipeline.reporting.charts import Axis, BarChart, BarSeries, look_of, ordered
from pipeline.reporting.claim_section import claim_section, claims
from pipeline.reporting.comparisons import comparison_table
from pipeline.reporting.document import Block, Items, Section, Text
from pipeline.reporting.model_section import final_cell
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.recommendation import answer, answer_table, cost, strategy_table, surprises
from pipeline.reporting.result_table import result_table
from pipeline.reporting.results import Cell, CellName, Missing, Results

_COST = " Cost is in device-hours. A replayed trial counts the time that its training took."


def overview(
    results: Results,
    paddle: Mapping[CellName, float],
    published: Mapping[str, PublishedRow],
) -> Section:
    """Compose the first screen of the report.

    ``paddle`` holds the top-1 of the paddle protocol's pipeline by cell, if it has run.
    """
    blocks: list[Block] = missing_cells(results.missing) if results.missing else []
    cells = results.cells
    if not cells:
        blocks.append(Text("No cell has results yet.", "notice"))
        return Section("Result", "result", blocks)
    every = places(cells)
    table = result_table(cells, paddle, published)
    if len(every) == 1:
        blocks += filter(None, [answer(every[0]), strategy_table(every[0])])
    else:
        blocks += filter(None, [answer_table(every), cost(cells), table])
    if any(cell.final for cell in cells):
        blocks.append(accuracy_chart(every))
    blocks.append(Text(_reading(cells)))
    if any(cell.final and len(cell.final.seeds) > 1 for cell in cells):
        blocks += filter(None, [surprises(cells), comparison_table(every)])
    if len(every) == 1:
        blocks.append(table)
    blocks.append(cell_table(cells))
    tested = claims(every, published)
    return Section("Result", "result", blocks, [claim_section(tested)] if tested else [])


def _reading(cells: Sequence[Cell]) -> str:
    if any(cell.best.protocol == "paddle" for cell in cells):
        return (
            "Top-1 accuracy in percent by PaddleClas's protocol: trained on train and validation, "
            "chosen and measured on the test list itself, at its best epoch. These figures are "
            f"optimistic.{_COST}"
        )
    seeds = sorted({len(cell.final.seeds) for cell in cells if cell.final})
    if not seeds:
        return "Nothing is evaluated yet: the test split is closed." + _COST
    if seeds == [1]:
        how = (
            "of one refit of the point that was best on validation, so the tables have no interval "
            "over seeds"
        )
    else:
        how = (
            "mean over refits, with its 95 % interval where one is given, under "
            f"{' or '.join(map(str, seeds))} seeds of the point that was best on validation"
        )
    return (
        f"Top-1 accuracy on the test split in percent: {how}. The test split was opened once per "
        f"refit, after the choice.{_COST}"
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


def accuracy_chart(places: Sequence[Place]) -> BarChart:
    """Draw the refits of every strategy as dots, with their mean and its interval."""
    shown = [place for place in places if final_cell(place)]
    models = len({place.model for place in shown})
    evaluated = [cell for place in shown for cell in place.cells.values() if cell.final]
    refitted = any(len(cell.final.seeds) > 1 for cell in evaluated if cell.final)
    series = []
    for strategy in ordered({cell.name.strategy for cell in evaluated}):
        cells = [place.cells.get(strategy) for place in shown]
        look = look_of(strategy)
        means = [cell.top1 if cell else None for cell in cells]
        series.append(
            BarSeries(
                name=look.title,
                values=[mean.mean if mean else None for mean in means],
                low=[mean.low if mean else None for mean in means],
                high=[mean.high if mean else None for mean in means],
                colour=look.colour,
                mark=look.mark,
                seeds=[c.final.top1 if c and c.final else [] for c in cells] if refitted else [],
            )
        )
    dots = " Small dots are the single refits." if refitted else ""
    return BarChart(
        name="accuracy",
        title="Test accuracy by strategy",
        caption=f"Test top-1, {how_measured(evaluated)}.{dots}",
        x=Axis("test top-1, %", percent=True),
        categories=[
            f"{place.dataset_title}\n{place.model_title}" if models > 1 else place.dataset_title
            for place in shown
        ],
        series=series,
        dots=True,
    )
