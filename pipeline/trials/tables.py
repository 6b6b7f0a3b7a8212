"""Write and read the tables of a cell.

What was computed and what differs from run to run (times, run ids) are in separate tables.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.base.errors import UserError
from pipeline.base.files import write_text
from pipeline.settings.point import SpaceConfig
from pipeline.trials.contract import CurveRow, Trial, TrialRow
from pipeline.trials.run_rows import RunRow

M = TypeVar("M", bound=BaseModel)
REMEDY = (
    "The stage that wrote it must run again: delete the file, then `dvc repro` of this pipeline."
)


def best(trials: Sequence[Trial], space: SpaceConfig) -> Trial | None:
    """Return the trial with the highest objective; None when no trial finished.

    Ties are broken by lower validation loss, then by the order of the space.
    """

    def rank(trial: Trial) -> tuple[float, float, list[int]]:
        assert trial.result is not None
        assert trial.result.metrics is not None
        point = trial.point.model_dump()
        order = [
            values.index(point[name]) if point[name] in values else len(values)
            for name, values in space.axes().items()
        ]
        return -trial.result.objective, trial.result.metrics.loss, order

    measured = [trial for trial in trials if trial.status == "finished"]
    return min(measured, key=rank, default=None)


def write_trials(folder: Path, trials: Sequence[Trial], experiment_id: str) -> None:
    """Write ``trials.csv``, ``curves.csv`` and ``runs.csv`` of a cell.

    The first two are byte-identical whenever the trials are computed again; ``runs.csv`` holds run
    ids, times and machines. ``experiment_id`` is that of the journal.
    """
    write_rows(folder / "trials.csv", TrialRow, [TrialRow.of(trial) for trial in trials])
    write_rows(
        folder / "curves.csv", CurveRow, [row for trial in trials for row in CurveRow.all_of(trial)]
    )
    runs = [RunRow.of(trial, experiment_id, trial=trial.number) for trial in trials]
    write_rows(folder / "runs.csv", RunRow, runs)


def write_rows(path: Path, kind: type[M], rows: Sequence[M]) -> None:
    """Write a table with a column per field of ``kind``."""
    names = list(kind.model_fields)
    lines = [[getattr(row, name) for name in names] for row in rows]
    write_text(path, csv_text([names, *lines]))


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Format rows as CSV: floats in shortest round-trip form, true and false, nothing for None."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(_cell, row) for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(float(value)) if isinstance(value, float) else str(value)


def read_rows(path: Path, kind: type[M], remedy: str = REMEDY) -> list[M]:
    """Read the rows of a table. Raises UserError with file, line and remedy if it is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"it is not text ({error})", remedy) from error
    reader = csv.DictReader(text.splitlines(), strict=True)
    needed = {name for name, field in kind.model_fields.items() if field.is_required()}
    try:
        if absent := needed - set(reader.fieldnames or []):
            raise damaged(path, f"it lacks the columns {', '.join(sorted(absent))}", remedy)
        return [
            kind.model_validate({key: value or None for key, value in raw.items() if key})
            for raw in reader
        ]
    except (ValidationError, csv.Error) as error:
        raise damaged(path, f"line {reader.line_num or 1}: {_first(error)}", remedy) from error


def numbered(trials: Sequence[TrialRow], number: int) -> TrialRow:
    """Return the row of a trial. A number may be absent: a job that had no time left no trial."""
    return next(row for row in trials if row.trial == number)


def read_file(path: Path, kind: type[M]) -> M:
    """Read a JSON or YAML file. Raises UserError with file, key and remedy if it is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
        parsed: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        return kind.model_validate(parsed)
    except (ValueError, yaml.YAMLError) as error:
        raise damaged(path, _first(error)) from error


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        return f"{where or 'file'}: {fault['msg']}, found {fault['input']!r:.80}"
    return str(error)


def damaged(path: Path, what: str, remedy: str = REMEDY) -> UserError:
    """Return the UserError for an exported file whose content is wrong; ``what`` says how."""
    return UserError(f"{path}: {what}. {remedy}")
