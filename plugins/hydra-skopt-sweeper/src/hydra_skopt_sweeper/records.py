"""Read and write the files of a sweep: its table of trials and its result.

A file is written whole or not at all.
"""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from .errors import SweepError

TABLE = "sweep.csv"
RESULTS = "optimization_results.yaml"


@dataclass(frozen=True)
class Trial:
    """One row of the table.

    `job` is the number of the trial's first job, and `dir` is its directory below the sweep's.
    `error` says in one line why the trial failed. `spread` is the standard deviation over repeats.
    `seconds` is the duration of all its runs together, None if unknown. `acquisition`,
    `predicted_mean` and `predicted_std` are what the model expected when it proposed the point.
    """

    trial: int
    job: int
    dir: str
    kind: str  # initial, line, model or random
    status: str  # finished or failed
    error: str
    objective: float | None
    spread: float | None
    seconds: float | None
    acquisition: float | None
    predicted_mean: float | None
    predicted_std: float | None
    params: dict[str, str]

    @property
    def failed(self) -> bool:
        return self.status == "failed"


COLUMNS = [field.name for field in fields(Trial) if field.name != "params"]
TEXTS = ("dir", "kind", "status", "error")
WHOLE = ("trial", "job")


def parameter_column(name: str) -> str:
    """Return the column of a parameter: its name, with a prefix if the table uses that name."""
    return f"params.{name}" if name in COLUMNS else name


def write_table(folder: Path, names: Sequence[str], trials: Sequence[Trial]) -> None:
    """Write `sweep.csv` with the parameters `names`; floats have their shortest exact form."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *map(parameter_column, names)])
    for trial in trials:
        facts = [getattr(trial, column) for column in COLUMNS]
        writer.writerow([*facts, *(trial.params[name] for name in names)])
    _write_whole(folder / TABLE, text.getvalue())


def read_table(folder: Path, names: Sequence[str]) -> list[Trial]:
    """Read the trials of `sweep.csv`; an empty list if there is no such file.

    Raises:
        SweepError: the file is not a table of these parameters.
    """
    path = folder / TABLE
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_trial(row, names) for row in csv.DictReader(file)]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise SweepError(f"{path} is not the table of this sweep ({error})") from None


def _trial(row: Mapping[str, str], names: Sequence[str]) -> Trial:
    facts: dict[str, Any] = {}
    for column in COLUMNS:
        text = row[column]
        if column in TEXTS:
            facts[column] = text
        elif column in WHOLE:
            facts[column] = int(text)
        else:
            facts[column] = float(text) if text else None
    return Trial(**facts, params={name: row[parameter_column(name)] for name in names})


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Write `optimization_results.yaml` from plain Python values."""
    text = yaml.safe_dump(dict(results), sort_keys=False, allow_unicode=True)
    _write_whole(folder / RESULTS, text)


def read_results(folder: Path) -> dict[str, Any]:
    """Read `optimization_results.yaml`.

    Raises:
        SweepError: the file is missing or damaged.
    """
    path = folder / RESULTS
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SweepError(f"{path} cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise SweepError(f"{path} is not the result of a sweep")
    return content


def _write_whole(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
