"""Read Hugging Face datasets in parquet: columns ``image`` ({bytes, path}) and ``label``.

Files are named after their split (``train-00000-of-00004.parquet``). The names of the labels are in
the metadata of the schema.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.fetching.unpacking import whole_folder
from pipeline.datasets.listing import Entry, Listing
from pipeline.datasets.readers.split_names import split_of

_ROWS = 64
"""Number of rows in memory at once."""


def read(archives: Archives, files: Sequence[str]) -> Listing:
    """Extract the images of parquet ``files`` into the scratch folder, and list them."""
    entries: list[Entry] = []
    names: list[str] | None = None
    for file in sorted(files):
        split = split_of(re.split(r"[-_.]", Path(file).name, maxsplit=1)[0])
        if split is None:
            raise UserError(f"{file}: the name of the file must begin with train, val or test")
        table = archives.file(file)
        these = _class_names(table)
        if names is not None and these != names:
            raise UserError(f"{table} names other classes than the files before it")
        names = these
        folder = archives.unpacked(file, _extract)
        for index, label in enumerate(pq.read_table(table, columns=["label"])["label"].to_pylist()):
            if not isinstance(label, int) or not 0 <= label < len(names):
                raise UserError(f"{table}, row {index}: label {label!r} has no name")
            path = f"{Path(file).stem}/{index:06d}"
            entries.append(Entry(path, label, split, folder / f"{index:06d}"))
    return Listing(names or [], entries)


def _class_names(table: Path) -> list[str]:
    try:
        schema = pq.read_schema(table)
        about: dict[str, Any] = json.loads((schema.metadata or {})[b"huggingface"])
        return [str(name) for name in about["info"]["features"]["label"]["names"]]
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{table} is not a parquet file of images with named labels ({error!r})"
        ) from error


def _extract(table: Path, into: Path) -> None:
    """Write one file per row, named by its number; an empty file for a row without an image."""
    try:
        with whole_folder(into) as folder, pq.ParquetFile(table) as parquet:
            batches = parquet.iter_batches(batch_size=_ROWS, columns=["image"])
            images = (image for batch in batches for image in batch.column("image").to_pylist())
            for row, image in enumerate(images):
                (folder / f"{row:06d}").write_bytes((image or {}).get("bytes") or b"")
    except (pa.ArrowException, KeyError) as error:
        raise UserError(f"{table} cannot be read ({error}); fetch it again") from error
