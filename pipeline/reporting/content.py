"""Compose the report: its sections and their order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pipeline.base.text import count
from pipeline.reporting.cell_groups import Place, places
from pipeline.reporting.document import Block, Document, Section, Text
from pipeline.reporting.gap_section import gap_chart
from pipeline.reporting.machines import different_machines
from pipeline.reporting.model_section import model_section
from pipeline.reporting.next_steps import next_steps
from pipeline.reporting.overview import overview
from pipeline.reporting.provenance_section import provenance
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.recommendation import answer
from pipeline.reporting.results import Cell, CellName, Results
from pipeline.reporting.search_section import search_section
from pipeline.reporting.weights_section import weights_section

SOURCE = (
    "Every figure of this report is computed from the files under `results/`. The tables are also "
    "in `tables/`, as CSV with fractions in place of percent, and as LaTeX."
)
LEAKED = (
    "{dataset}: {images:,} images in {groups:,} groups of identical files are in more than one "
    "split: what is measured on them is leaked. `stats.json` beside the prepared data names them."
)
TIME_OVER = (
    "{cell}: the search ended after {trials} because its hours (`search.max_hours`) were over."
)
REFITS_LEFT_OUT = (
    "{cell}: the hours (`search.max_hours`) left no time for {left_out}: the test accuracy is that "
    "of {trained}."
)
SIMULATED = "Simulated, not trained: no figure of these cells was measured. "


def compose_report(
    title: str,
    results: Results,
    paddle: Mapping[CellName, float],
    published: Mapping[str, PublishedRow],
    models: Sequence[str],
    planned: Mapping[str, str] = MappingProxyType({}),
) -> Document:
    """Compose the report from the results.

    ``models`` are the configured models, in order. ``planned`` are the reasons for the settings of
    a project, by what they are about. ``paddle`` holds the top-1 of the paddle protocol's pipeline
    by cell; it is empty if that has not run.
    """
    sections: list[Section] = [overview(results, paddle, published)]
    for subject, reason in planned.items():
        sections[0].blocks.append(
            Text(f"The {subject} was chosen when the project was made. {reason}")
        )
    for cell in results.cells:
        if cell.best.time_over:
            text = TIME_OVER.format(cell=cell.name, trials=count(len(cell.trials), "trial"))
            sections[0].blocks.append(Text(text))
        if cell.final and cell.final.seeds_left_out:
            left_out = count(len(cell.final.seeds_left_out), "more refit")
            trained = count(len(cell.final.seeds), "training")
            text = REFITS_LEFT_OUT.format(cell=cell.name, left_out=left_out, trained=trained)
            sections[0].blocks.append(Text(text))
    sections[0].blocks[:0] = _notices(results.cells)
    sections += filter(None, [weights_section(results.cells, models)])
    every = places(results.cells)
    several_models = len({place.model for place in every}) > 1
    for place in every:
        section = _place_section(place, published, len(every) > 1)
        short = section.own_page and not several_models
        sections.append(replace(section, title=place.dataset_title) if short else section)
    if results.cells:
        sections.append(provenance(results.cells))
        sections[-1].blocks.insert(0, Text(SOURCE))
    if len(every) == 1:
        sections += filter(None, [next_steps(every[0])])
    return Document(title, sections)


def _notices(cells: Sequence[Cell]) -> Iterator[Text]:
    """Yield what a reader must know before the figures."""
    leaking = {c.name.dataset: c.final for c in cells if c.final and c.final.leaked}
    for dataset, final in leaking.items():
        leaked = LEAKED.format(dataset=dataset, images=final.leaked, groups=final.leaked_groups)
        yield Text(leaked, "notice")
    yield from filter(None, [different_machines(cells)])
    if simulated := [str(cell.name) for cell in cells if cell.best.machine.simulated]:
        yield Text(SIMULATED + ", ".join(simulated), "notice")


def _place_section(place: Place, published: Mapping[str, PublishedRow], several: bool) -> Section:
    gap = gap_chart(place, published.get(place.dataset))
    below = [search_section(place), model_section(place), next_steps(place) if several else None]
    first = [answer(place) if several else None, gap]
    blocks: list[Block] = [block for block in first if block]
    return Section(place.title, place.stem, blocks, [*filter(None, below)], own_page=several)
