"""Pass the figures of ``paddle_protocol/`` to the benchmark's report.

They are passed in one small file that git tracks. If the benchmark's report depended on the results
of that pipeline, DVC would run that second benchmark before it draws a page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.base.errors import UserError
from pipeline.reporting.results import Cell, CellName
from pipeline.reporting.tables import Column, Table, Value, to_csv
from pipeline.trials.record import Share

FIGURES = "figures.csv"
"""Name of the file in the pipeline's folder."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dataset: str
    model: str
    strategy: str
    top1: Share


def figures(cells: Sequence[Cell]) -> str:
    """Return the text of ``figures.csv``: the top-1 of every evaluated cell, on the test list."""
    columns = [Column(name, name) for name in _Row.model_fields]
    rows: list[list[Value]] = [
        [each.name.dataset, each.name.model, each.name.strategy, each.top1.mean]
        for each in cells
        if each.top1
    ]
    return to_csv(Table("figures", "", columns, rows))


def read_figures(path: Path) -> Mapping[CellName, float]:
    """Read the top-1 by cell; empty if that pipeline has not run.

    Raises UserError for a file that ``figures`` did not write.
    """
    if not path.is_file():
        return {}
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        figures = [_Row.model_validate(row) for row in rows]
    except (ValidationError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: not the figures of the paddle protocol ({str(error).splitlines()[0]}). "
            "Make it again: dvc repro -f -s paddle_protocol/dvc.yaml:report"
        ) from error
    return {CellName(row.dataset, row.model, row.strategy): row.top1 for row in figures}
