"""Write the report's first screen for a terminal: the answer, and what each strategy chose."""

from collections.abc import Iterator, Sequence
from textwrap import fill

from pipeline.reporting import accuracy_context
from pipeline.reporting.cell_groups import places
from pipeline.reporting.cell_tables import cell_titles
from pipeline.reporting.charts import look_of
from pipeline.reporting.recommendation import answer, answer_table, strategy_table
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure, Table, tabulated, to_text

WIDTH = 80
"""Characters on a line."""
STRATEGY = 14
"""Characters on a line of a column of strategies, so that the table fits into ``WIDTH``."""


def first_screen(cells: Sequence[Cell]) -> list[str]:
    """Return the lines: what to use for each dataset, and what each strategy reached and took."""
    every = places(cells)
    if len(every) == 1:
        facts = answer(every[0])
        known = facts.lines if facts else []
        strategies = to_text(strategy_table(every[0], readings=False), STRATEGY)
        return [*_fact_lines(known), *([""] if known else []), strategies]
    if not cells:
        return []
    several = len({cell.name.model for cell in cells}) > 1
    # An answer has up to three columns of words and two intervals; a cell has an interval less.
    widest, widest_of_cells = (13, 13) if several else (19, 21)
    answers = answer_table(every, folders=False)
    shown = [to_text(answers, widest), ""] if answers else []
    context = [fill(line, WIDTH, subsequent_indent="  ") for line in accuracy_context.lines(cells)]
    return [*shown, to_text(_cells(cells), widest_of_cells), *context]


def _fact_lines(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield each fact beside its name; what may be copied stays on its line."""
    width = max((len(name) for name, _ in facts), default=0) + 2
    for name, text in facts:
        start = f"{name:<{width}}"
        if text.startswith("`"):
            yield start + text.strip("`")
        else:
            yield fill(text, WIDTH, initial_indent=start, subsequent_indent=" " * width)


def _cells(cells: Sequence[Cell]) -> Table:
    figures: list[Figure[Cell]] = [
        *cell_titles(cells),
        (Column("strategy", "Strategy"), lambda c: look_of(c.name.strategy).title),
        (Column("top1", "Test top-1 %", "share"), lambda c: c.top1),
        (Column("trials", "Trials", "count"), lambda c: len(c.trials)),
        (Column("seconds", "Time", "duration"), lambda c: c.seconds),
    ]
    return tabulated("console", "Each cell.", figures, cells)
