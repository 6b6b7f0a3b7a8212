"""Write a table as CSV (fractions), Markdown, LaTeX and plain text (percent)."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, Literal, TypeVar

from tabulate import tabulate

from pipeline.base.statistics import Interval
from pipeline.base.text import cell, markdown, printable
from pipeline.trials.tables import csv_text


@dataclass(frozen=True)
class Run:
    """A run of the MLflow journal, which the page links to."""

    experiment_id: str
    run_id: str


Value = str | int | float | bool | Interval | Run | None
Kind = Literal["text", "share", "points", "count", "hours", "duration", "number", "flag", "run"]

ABSENT = "–"
NUMERIC: frozenset[Kind] = frozenset({"share", "points", "count", "hours", "duration", "number"})


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Kinds ``share`` and ``points`` hold fractions, shown as percent and as percentage points. Kind
    ``duration`` holds seconds, shown in a suitable unit.
    """

    key: str
    heading: str
    kind: Kind = "text"
    group: str = ""
    """A heading shared with the neighbouring columns of the same group."""

    @property
    def numeric(self) -> bool:
        return self.kind in NUMERIC

    @property
    def full_heading(self) -> str:
        return f"{self.group} {self.heading}".strip()


@dataclass(frozen=True)
class Table:
    name: str
    """Name of its CSV file without suffix."""
    caption: str
    columns: list[Column]
    rows: list[list[Value]]
    footers: Sequence[list[Value]] = ()
    """Last rows, such as averages, that are not sorted and not in the CSV file."""

    def shown(self) -> list[list[str]]:
        """Return every row as a person reads it, the footers last."""
        return [
            [show(value, column.kind) for value, column in zip(row, self.columns, strict=True)]
            for row in [*self.rows, *self.footers]
        ]


T = TypeVar("T")
Figure = tuple[Column, Callable[[T], Value]]
"""A column, and the function that gives its value for an item."""


def tabulated(name: str, caption: str, figures: Sequence[Figure[T]], items: Iterable[T]) -> Table:
    """Make a table with a row per item and a column per figure."""
    rows = [[value(item) for _, value in figures] for item in items]
    return Table(name, caption, [column for column, _ in figures], rows)


def show(value: Value, kind: Kind) -> str:
    """Format a value for people to read."""
    if value is None or value == "":
        return ABSENT
    if isinstance(value, Interval):
        if value.low is None or value.high is None:
            return show(value.mean, kind)
        return f"{show(value.mean, kind)} [{show(value.low, kind)}, {show(value.high, kind)}]"
    if isinstance(value, Run):
        return value.run_id
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value)
    match kind:
        case "share":
            return f"{100 * value:.2f}"
        case "points":
            return f"{100 * value:+.2f}".replace("-", "−")
        case "count":
            return f"{value:,}"
        case "hours":
            return f"{value:.3f}" if value < 10 else f"{value:,.1f}"
        case "duration":
            return _duration(value)
        case _:
            return f"{value:.4g}"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def to_csv(table: Table) -> str:
    """Write raw values as CSV; an interval has three columns: key, key_low and key_high."""
    wide = [
        any(isinstance(row[i], Interval) for row in table.rows) for i in range(len(table.columns))
    ]
    header: list[str] = []
    for column, spread in zip(table.columns, wide, strict=True):
        header += [f"{column.key}{end}" for end in (("", "_low", "_high") if spread else ("",))]
    lines: list[list[Any]] = [header]
    for row in table.rows:
        fields: list[Value] = []
        for value, spread in zip(row, wide, strict=True):
            if isinstance(value, Interval):
                fields += [value.mean, value.low, value.high]
            else:
                fields += [value, None, None] if spread else [value]
        lines.append([_raw(field) for field in fields])
    return csv_text(lines)


def _raw(value: Value) -> Value:
    if isinstance(value, Run):
        return value.run_id
    return cell(printable(value)) if isinstance(value, str) else value


def to_markdown(table: Table) -> str:
    """Write a pipe table; every value stays on its line."""
    return _laid_out(table, "pipe", markdown)


def to_latex(table: Table) -> str:
    """Write a tabular for the package booktabs."""
    text = _laid_out(table, "latex_booktabs", str)
    text = re.sub(r"^ ([\[*])", r" {\1}", text, flags=re.MULTILINE)  # else an option of \\
    return text.replace("−", "$-$").replace(ABSENT, "--") + "\n"


def to_text(table: Table, widest: int | None = None) -> str:
    """Write aligned columns for a terminal.

    With ``widest``, longer words take several lines of at most so many characters, and a longer
    interval stands below its value.
    """
    if widest is None:
        return _laid_out(table, "simple", str)
    rows = [
        [_narrow(field, widest, column) for field, column in zip(row, table.columns, strict=True)]
        for row in table.shown()
    ]
    headings = []
    for number, column in enumerate(table.columns):
        lines = [line for row in rows for line in row[number].split("\n")]
        width = max((len(line) for line in lines), default=widest)
        headings.append(fill(column.full_heading, max(1, width), break_long_words=False))
    return _aligned(table, "simple", headings, rows)


def _narrow(field: str, widest: int, column: Column) -> str:
    if column.numeric and len(field) > widest:
        return field.replace(" [", "\n[")
    return fill(field, widest)


def _laid_out(table: Table, form: str, text: Callable[[str], str]) -> str:
    rows = [[text(field) for field in row] for row in table.shown()]
    headings = [text(column.full_heading) for column in table.columns]
    return _aligned(table, form, headings, rows)


def _aligned(table: Table, form: str, headings: list[str], rows: list[list[str]]) -> str:
    sides = ["right" if column.numeric else "left" for column in table.columns]
    return tabulate(rows, headings, form, disable_numparse=True, colalign=sides if rows else None)
