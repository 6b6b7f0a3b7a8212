"""One table as CSV, Markdown and text."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.statistics import Interval
from pipeline.base.text import markdown, printable
from pipeline.reporting.tables import (
    Column,
    Kind,
    Table,
    Value,
    show,
    to_csv,
    to_latex,
    to_markdown,
    to_text,
)

TABLE = Table(
    "example",
    "An example.",
    [
        Column("name", "Name"),
        Column("top1", "top-1 %", "share", "Grid"),
        Column("trials", "trials", "count", "Grid"),
    ],
    [["a | b", Interval(0.9583, 0.95, 0.9666), 1568], ["c", None, 1]],
)


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (0.95833, "share", "95.83"),
        (Interval(0.95833, 0.95, 0.96666), "share", "95.83 [95.00, 96.67]"),
        (Interval(0.95833, None, None), "share", "95.83"),
        (0.0038, "points", "+0.38"),
        (-0.0051, "points", "−0.51"),
        (Interval(-0.002, -0.006, 0.002), "points", "−0.20 [−0.60, +0.20]"),
        (1568, "count", "1,568"),
        (0.0417, "hours", "0.042"),
        (1234.56, "hours", "1,234.6"),
        (45.2, "duration", "45 s"),
        (2646.0, "duration", "44.1 min"),
        (7200.0, "duration", "2.0 h"),
        (864000.0, "duration", "10.0 days"),
        (0.0001, "number", "0.0001"),
        (True, "flag", "yes"),
        (False, "flag", "no"),
        (None, "share", "–"),
        ("", "text", "–"),
    ],
)
def test_a_value_is_shown_as_a_person_reads_it(value: Value, kind: Kind, shown: str) -> None:
    assert show(value, kind) == shown


def test_csv_keeps_fractions_and_spreads_intervals() -> None:
    rows = list(csv.DictReader(to_csv(TABLE).splitlines()))
    assert rows[0] == {
        "name": "a | b",
        "top1": "0.9583",
        "top1_low": "0.95",
        "top1_high": "0.9666",
        "trials": "1568",
    }
    assert rows[1]["top1"] == rows[1]["top1_low"] == ""


@given(st.floats(0, 1), st.text(max_size=9))
def test_csv_gives_back_every_bit(fraction: float, name: str) -> None:
    table = Table("t", "", [Column("n", "n"), Column("v", "v", "share")], [[name, fraction]])
    [row] = csv.DictReader(to_csv(table).splitlines(keepends=True))
    # A spreadsheet takes a cell that begins so for a formula, unless a quote comes first.
    shown = printable(name)
    quoted = f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
    assert (row["n"], float(row["v"])) == (quoted, fraction)


def test_markdown_has_one_line_per_row_whatever_the_names() -> None:
    lines = to_markdown(TABLE).splitlines()
    assert lines == [
        "| Name   |           Grid top-1 % |   Grid trials |",
        "|:-------|-----------------------:|--------------:|",
        "| a \\| b | 95.83 \\[95.00, 96.66\\] |         1,568 |",
        "| c      |                      – |             1 |",
    ]
    odd = Table("t", "", [Column("n", "n")], [["<script>\nx"]])
    assert to_markdown(odd).splitlines()[-1] == r"| \<script\>\\nx |"


@pytest.mark.parametrize("write", [to_csv, to_markdown, to_latex, to_text])
def test_a_control_character_of_a_name_is_written_as_text(write) -> None:
    odd = Table("t", "", [Column("n", "n")], [["a\x1b[31mb\u202ec\nd"]])
    written = write(odd)
    assert "x1b" in written
    assert not {"\x1b", "\u202e"} & set(written)


def test_no_character_of_a_name_means_anything_to_markdown() -> None:
    assert markdown("*a* _b_ snake_case [l](u) `c` ~~d~~ $e$ a\\|b\n# f") == (
        r"\*a\* \_b\_ snake_case \[l\](u) \`c\` \~\~d\~\~ \$e\$ a\\\|b # f"
    )


def test_text_is_aligned() -> None:
    assert to_text(TABLE).splitlines() == [
        "Name            Grid top-1 %    Grid trials",
        "------  --------------------  -------------",
        "a | b   95.83 [95.00, 96.66]          1,568",
        "c                          –              1",
    ]


def test_text_for_a_terminal_takes_more_lines_instead_of_more_columns() -> None:
    columns = [Column("name", "Name"), Column("time", "Device time", "duration"), TABLE.columns[1]]
    rows: list[list[Value]] = [["a name of some words", 1.0, Interval(0.9583, 0.95, 0.9666)]]
    assert to_text(Table("t", "", columns, rows), 14).splitlines() == [
        "Name              Device    Grid top-1 %",
        "                    time",
        "--------------  --------  --------------",
        "a name of some       1 s           95.83",
        "words                     [95.00, 96.66]",
    ]


def test_a_name_that_ends_in_brackets_is_wrapped_as_words() -> None:
    table = Table("t", "", [Column("name", "Name")], [["cats [and dogs]"]])
    assert to_text(table, 20).splitlines()[-1] == "cats [and dogs]"
    assert to_text(table, 9).splitlines()[2:] == ["cats [and", "dogs]"]


def test_latex_escapes_what_means_something_to_it() -> None:
    table = Table("t", "", [Column("n", "n %"), Column("d", "d", "points")], [["a_b & c", -0.001]])
    text = to_latex(table)
    assert r"\begin{tabular}{lr}" in text
    assert r"n \%" in text
    assert r"a\_b \& c" in text
    assert "$-$0.10" in text


@pytest.mark.parametrize("name", ["[a] b", "*a"])
def test_a_name_is_no_option_of_the_line_break_before_it(name: str) -> None:
    table = Table("t", "", [Column("n", "n")], [["first"], [name]])
    assert f"{{{name[0]}}}{name[1:]}" in to_latex(table).splitlines()[-3]


def test_a_footer_is_shown_but_is_no_data() -> None:
    table = Table("t", "", TABLE.columns, TABLE.rows, [["Average", 0.9, 784]])
    assert to_text(table).splitlines()[-1].split() == ["Average", "90.00", "784"]
    assert len(to_csv(table).splitlines()) == 1 + len(TABLE.rows)
