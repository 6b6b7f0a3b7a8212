"""Write the report's first screen for a terminal: the answer, and what each strategy chose."""

from collections.abc import Sequence

from pipeline.reporting import accuracy_context
from pipeline.reporting.cell_groups import describe, places
from pipeline.reporting.cell_tables import cell_titles
from pipeline.reporting.charts import look_of
from pipeline.reporting.recommendation import answer, strategy_table
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure, Table, tabulated, to_text


def first_screen(cells: Sequence[Cell]) -> list[str]:
    """Return the lines: for one dataset the answer and its strategies, for many a row per cell."""
    every = places(cells)
    if len(every) != 1:
        return [to_text(_cells(cells)), *accuracy_context.lines(cells)] if cells else []
    facts = answer(every[0])
    known = facts.lines if facts else []
    width = max((len(name) for name, _ in known), default=0)
    shown = [f"{name:<{width}}  {text.replace('`', '')}" for name, text in known]
    return [*shown, *([""] if shown else []), to_text(strategy_table(every[0], readings=False))]


def _cells(cells: Sequence[Cell]) -> Table:
    figures: list[Figure[Cell]] = [
        *cell_titles(cells),
        (Column("strategy", "Strategy"), lambda c: look_of(c.name.strategy).title),
        (Column("top1", "Test top-1 %", "share"), lambda c: c.top1),
        (Column("trials", "Trainings", "count"), lambda c: len(c.trials)),
        (Column("seconds", "Device time", "duration"), lambda c: c.seconds),
        (Column("setting", "Setting"), lambda c: describe(c.best.point)),
    ]
    return tabulated("console", "Each cell and the point it chose.", figures, cells)
