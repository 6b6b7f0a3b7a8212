"""Pass the figures of ``paddle_protocol/`` to the benchmark's report.

They are passed in one small file that git tracks. If the benchmark's report depended on the results
of that pipeline, DVC would run that second benchmark before it draws a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.reporting.results import Cell, CellName
from pipeline.trials.record_types import Record, Share
from pipeline.trials.tables import read_rows, write_rows

FIGURES = "figures.csv"
"""Name of the file in the pipeline's folder."""


class _Row(Record):
    dataset: str
    model: str
    strategy: str
    top1: Share


def write_figures(path: Path, cells: Sequence[Cell]) -> None:
    """Write the top-1 of every evaluated cell, on the test list."""
    rows = [_Row(**asdict(each.name), top1=each.top1.mean) for each in cells if each.top1]
    write_rows(path, _Row, rows)


def read_figures(path: Path) -> Mapping[CellName, float]:
    """Read the top-1 by cell; empty if that pipeline has not run.

    Raises UserError for a file that ``write_figures`` did not write.
    """
    if not path.is_file():
        return {}
    rows = read_rows(path, _Row, "Make it again: dvc repro -f -s paddle_protocol/dvc.yaml:report")
    return {CellName(row.dataset, row.model, row.strategy): row.top1 for row in rows}
