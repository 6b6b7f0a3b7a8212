"""Read a CSV or parquet file with the columns path, label and optionally split."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.errors import UserError
from pipeline.base.text import printable, some
from pipeline.datasets.listing import Entry, Listing
from pipeline.datasets.readers.parsing import require_some, text_of, with_slashes, within
from pipeline.datasets.readers.split_names import KNOWN, split_of

_TEXT = (".csv", ".tsv")
_PARQUET = ".parquet"
_ALIASES = {
    "path": (
        *("path", "image", "image_path", "filename", "file_name", "file", "filepath"),
        *("file_path", "img", "img_path", "img_name", "image_name", "image_file"),
    ),
    "label": ("label", "class", "class_name", "category", "label_name", "target", "species"),
    "split": ("split", "subset", "set", "partition", "usage", "data_set"),
}
"""The accepted names of each column; the first one that a table has is used."""

_WITHOUT_TEXT = (
    *(pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
    pa.types.is_fixed_size_binary,
)
"""Tests for the types of parquet columns that have no text of their own."""

NEEDED = (
    "A list needs the columns path and label, and may have split; also known are "
    + "; ".join(f"{', '.join(names[1:6])} for {name}" for name, names in _ALIASES.items())
    + ". Its first line names the columns."
)


def is_table(path: Path) -> bool:
    """Return whether a file is a table, by its suffix."""
    return path.suffix.lower() in (*_TEXT, _PARQUET)


def has_columns(path: Path) -> bool:
    """Return whether a table has columns named path and label, ignoring case and blanks."""
    return {"path", "label"} <= set(map(_folded, _columns_or_none(path)))


def names_images(path: Path) -> bool:
    """Return whether a table has a column of paths and one of labels, under any known name."""
    return {"path", "label"} <= _chosen(_columns_or_none(path)).keys()


def described(path: Path) -> str:
    """Describe a table by its name and its columns."""
    names = some(_shown(_columns_or_none(path)))
    columns = f"with the columns {names}" if names else "without columns that can be read"
    return f"{printable(path)} is a table {columns}"


def read(path: Path) -> Listing:
    """List the images of a table. A label is a number or a name.

    Paths are relative to the folder of the table, or absolute paths in it. Raises UserError naming
    the faulty row.
    """
    if not is_table(path):
        raise UserError(f"{path} is neither a folder nor a .csv, .tsv or .parquet file")
    columns = _columns(path)
    chosen = _chosen(columns)
    if not {"path", "label"} <= chosen.keys():
        raise UserError(
            f"{path} needs the columns path and label (and may have split); it has: "
            f"{some(_shown(columns)) or 'none'}. {NEEDED}"
        )
    _require_distinct(path, columns, chosen)
    rows = _rows(path, columns, chosen)
    names = _class_names([row["label"] for row in rows.values()])
    labels = {name: label for label, name in enumerate(names)}
    blank = sum(1 for row in rows.values() if not row["split"])
    if 0 < blank < len(rows):
        raise UserError(f"{path}: {blank} of {len(rows)} rows have no split. Fill all, or none.")
    backslashes = with_slashes(path.parent, [row["path"] for row in rows.values()])
    entries = []
    for number, row in rows.items():
        if backslashes:
            row["path"] = row["path"].replace("\\", "/")
        try:
            entries.append(_entry(path.parent, row, labels))
        except ValueError as error:
            raise UserError(f"{path}, row {number}: {error}") from error
    require_some(path, [row["path"] for row in rows.values()])
    given = some(_shown(chosen.values()))
    unused = some(_shown(name for name in columns if name not in chosen.values()), 5)
    layout = f"a table, {printable(path.name)}, with the columns {given}"
    return Listing(names, entries, layout + (f" (not used: {unused})" if unused else ""))


def _entry(root: Path, row: dict[str, str], labels: dict[str, int]) -> Entry:
    if not row["path"] or not row["label"]:
        raise ValueError("path or label is empty")
    split = split_of(row["split"]) if row["split"] else None
    if row["split"] and split is None:
        raise ValueError(f"split {row['split']!r} is not one of {KNOWN}")
    try:
        name = within(root, row["path"])
    except ValueError as error:
        raise ValueError(
            f"{error}. Put the table into the folder that holds all images, and set dataset.root "
            "to it there"
        ) from None
    return Entry(name, labels[row["label"]], split, root / name)


def _class_names(labels: list[str]) -> list[str]:
    """Return the distinct labels in order; numbers are sorted as numbers, so 2 comes before 10."""
    distinct = {label for label in labels if label}
    if all(label.isdecimal() for label in distinct):
        return sorted(distinct, key=lambda label: (int(label), label))
    return sorted(distinct)


def _columns_or_none(path: Path) -> list[str]:
    """Return the columns of a file; none if it is no table or cannot be read."""
    try:
        return _columns(path) if is_table(path) else []
    except UserError:
        return []


def _columns(path: Path) -> list[str]:
    if path.suffix.lower() == _PARQUET:
        try:
            return list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} is not a parquet file ({error})") from error
    # Read in any encoding: an ASCII header is enough to recognise the table.
    text = text_of(path, lenient=True)
    try:
        return next(_cells(text), [])
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file ({error})") from error


def _cells(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a CSV file with any line ends and any known delimiter."""
    file = io.StringIO(text, None)
    # Columns keep their place, whatever blanks stand around their names.
    return csv.reader(file, delimiter=_delimiter(text), skipinitialspace=True)


def _chosen(columns: list[str]) -> dict[str, str]:
    """Return the columns that give path, label and split, as far as there are any."""
    folded = {_folded(name): name for name in reversed(columns)}
    names = {
        column: [each for each in known if each in folded] for column, known in _ALIASES.items()
    }
    return {column: folded[aliases[0]] for column, aliases in names.items() if aliases}


def _shown(columns: Iterable[str]) -> list[str]:
    return [name.strip() or "(no name)" for name in columns]


def _require_distinct(path: Path, columns: list[str], chosen: dict[str, str]) -> None:
    """Raise UserError if a column that is used has a second one of its name."""
    times = Counter(map(_folded, columns))
    for name in chosen.values():
        if times[_folded(name)] > 1:
            shown = f"{times[_folded(name)]} columns named {printable(name.strip())}"
            raise UserError(f"{path} has {shown}; keep one, or rename the other")


def _rows(path: Path, columns: list[str], chosen: dict[str, str]) -> dict[int, dict[str, str]]:
    """Return the rows by their number in the file; cells are stripped text, '' if empty.

    Rows without any text, as spreadsheets write them, are left out.
    """
    rows: Iterable[dict[str | None, Any]]
    own = {name: chosen.get(name) for name in _ALIASES}
    try:
        if path.suffix.lower() == _PARQUET:
            used = list(chosen.values())
            # Before the cells are read: images inside the table may be larger than the memory.
            _require_plain(path, [each for each in pq.read_schema(path) if each.name in used])
            table = pq.read_table(path, columns=used)
            rows, first = table.to_pylist(), 1
        else:
            text, first = text_of(path), 2  # after the header
            lines = _cells(text)
            next(lines, None)
            rows = (dict(zip(columns, line, strict=False)) for line in lines)
        return {
            number: {name: _text(row.get(column)) for name, column in own.items()}
            for number, row in enumerate(rows, first)
            if any(map(_text, row.values()))
        }
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file ({error})") from error
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is a damaged parquet file ({error})") from error


def _require_plain(path: Path, fields: Iterable[pa.Field]) -> None:
    """Raise UserError for a column of lists, bytes or images, which has no text of its own."""
    for field in fields:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if any(test(kind) for test in _WITHOUT_TEXT):
            raise UserError(
                f"{path}: the column {printable(field.name)} holds {printable(kind)}; allowed: "
                "text or numbers. If the images are inside the table, write each to a file and "
                "list the files"
            )


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _folded(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _delimiter(text: str) -> str:
    """Return the delimiter of the header.

    Spreadsheets write semicolons if the comma is the decimal point.
    """
    return max(",;\t|", key="".join(text.splitlines()[:1]).count)
