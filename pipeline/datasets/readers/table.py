"""A CSV or parquet file with the columns path, label and optionally split."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.errors import UserError
from pipeline.datasets.listing import SPLITS, Entry, Listing, Split
from pipeline.datasets.readers.parsing import within

_SPLITS: dict[str, Split] = {split: split for split in SPLITS} | {
    "valid": "val",
    "validation": "val",
}


def has_columns(path: Path) -> bool:
    """Whether this is such a file, and not some other table that lies there."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        return False
    try:
        return {"path", "label"} <= set(_columns(path))
    except UserError:
        return False


def read(path: Path) -> Listing:
    """Paths are relative to the folder of the file; a label is a number or a name.

    Raises UserError naming the row that is not as it must be.
    """
    columns = _columns(path)
    if not {"path", "label"} <= set(columns):
        raise UserError(
            f"{path} needs the columns path and label (and may have split); it has: "
            f"{', '.join(columns) or 'none'}"
        )
    rows = _rows(path)
    names = _class_names([row["label"] for row in rows])
    labels = {name: label for label, name in enumerate(names)}
    blank = sum(1 for row in rows if not row.get("split"))
    if 0 < blank < len(rows):
        raise UserError(f"{path}: {blank} of {len(rows)} rows have no split. Fill all, or none.")
    entries = []
    for number, row in enumerate(rows, start=2 if path.suffix.lower() == ".csv" else 1):
        try:
            entries.append(_entry(path.parent, row, labels))
        except ValueError as error:
            raise UserError(f"{path}, row {number}: {error}") from error
    return Listing(names, entries)


def _entry(root: Path, row: dict[str, str], labels: dict[str, int]) -> Entry:
    if not row["path"] or not row["label"]:
        raise ValueError("path or label is empty")
    split = row.get("split") or None
    if split is not None and split.lower() not in _SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(_SPLITS)}")
    name = within(root, row["path"])
    return Entry(name, labels[row["label"]], _SPLITS[split.lower()] if split else None, root / name)


def _class_names(labels: list[str]) -> list[str]:
    """Numbers in the order of numbers, so that label 10 does not come before 2."""
    found = {label for label in labels if label}
    if all(label.isdecimal() for label in found):
        return sorted(found, key=lambda label: (int(label), label))
    return sorted(found)


def _columns(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        try:
            return list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} is not a parquet file ({error})") from error
    if path.suffix.lower() != ".csv":
        raise UserError(f"{path} is neither a folder nor a .csv or .parquet file")
    with _text(path) as file:
        header = file.readline()
    return next(csv.reader([header], delimiter=_delimiter(header)), [])


def _rows(path: Path) -> list[dict[str, str]]:
    """Cells as text without blanks around them; an empty cell is ''."""
    rows: list[dict[str, Any]]
    if path.suffix.lower() == ".parquet":
        columns = [name for name in ("path", "label", "split") if name in _columns(path)]
        rows = pq.read_table(path, columns=columns).to_pylist()
    else:
        try:
            with _text(path) as file:
                delimiter = _delimiter(file.readline())
                file.seek(0)
                rows = list(csv.DictReader(file, delimiter=delimiter))
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path} is not a CSV file in UTF-8 ({error})") from error
    return [
        {
            name: "" if row.get(name) is None else str(row[name]).strip()
            for name in ("path", "label", "split")
        }
        for row in rows
    ]


def _text(path: Path) -> Any:
    return path.open(encoding="utf-8-sig", newline="")


def _delimiter(header: str) -> str:
    """Spreadsheets write semicolons where the comma is the decimal point."""
    return max(",;\t", key=header.count)
