"""Read and write the list of a dataset's prepared images. Does not import torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.errors import UserError
from pipeline.base.files import replacing
from pipeline.datasets.listing import Split

MANIFEST = "manifest.parquet"
PIXELS = "pixels.bin"
STATS = "stats.json"

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
    ]
)
_KEY = b"vdtransfer"


@dataclass(frozen=True)
class Manifest:
    """The prepared images of a dataset.

    ``table`` has the columns of ``SCHEMA`` and one row per image, in an order that never changes.
    """

    table: pa.Table
    class_names: list[str]
    pixels_sha256: str
    digest: str
    """Sha256 over the rows, the class names and the pixels; it identifies the data in keys."""

    @classmethod
    def of(cls, table: pa.Table, class_names: list[str], pixels_sha256: str) -> Manifest:
        """Make a manifest from a table whose rows may be in any order."""
        table = table.cast(SCHEMA).sort_by([("path", "ascending"), ("split", "ascending")])
        digest = _digest(table, class_names, pixels_sha256)
        return cls(table.combine_chunks(), class_names, pixels_sha256, digest)

    @classmethod
    def load(cls, prepared: Path) -> Manifest:
        """Read the manifest in a dataset's prepared folder.

        Raises UserError when the manifest is missing, or when it or the pixels beside it are
        incomplete. The pixels are checked by size only: reading them all would take minutes.
        """
        name = prepared.name
        elsewhere = f" (in a folder with its own dvc.yaml: FOLDER/dvc.yaml:prepare@{name})"
        path = prepared / MANIFEST
        if not path.is_file():
            raise UserError(
                f"dataset {name} is not prepared: there is no {path}. "
                f"Run `dvc repro prepare@{name}`{elsewhere}."
            )
        again = f"Run `dvc repro -f prepare@{name}` to make it again{elsewhere}."
        try:
            table = pq.read_table(path, memory_map=False)
            about = json.loads(table.schema.metadata[_KEY])
            manifest = cls(
                table.replace_schema_metadata(None).cast(SCHEMA),
                about["class_names"],
                about["pixels_sha256"],
                about["digest"],
            )
            digest = _digest(manifest.table, manifest.class_names, manifest.pixels_sha256)
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged ({error}). {again}") from error
        if digest != manifest.digest:
            raise UserError(f"{path} is damaged: its rows do not match its digest. {again}")
        manifest._check_pixels(prepared / PIXELS, again)
        return manifest

    def write(self, prepared: Path) -> None:
        """Write the manifest to a folder; the same manifest gives the same bytes."""
        about = {
            "class_names": self.class_names,
            "pixels_sha256": self.pixels_sha256,
            "digest": self.digest,
        }
        table = self.table.replace_schema_metadata({_KEY: json.dumps(about)})
        with replacing(prepared / MANIFEST) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def column(self, name: str) -> np.ndarray:
        """Return a column in row order; integers as int64, text as objects."""
        values = self.table.column(name).to_numpy()
        return values.astype(np.int64) if np.issubdtype(values.dtype, np.integer) else values

    @cached_property
    def labels(self) -> np.ndarray:
        return self.column("label")

    def rows(self, splits: Collection[Split]) -> np.ndarray:
        """Return the row numbers (int64, ascending) of the images in ``splits``."""
        return np.flatnonzero(np.isin(self.column("split").astype(str), list(splits)))

    def _check_pixels(self, path: Path, again: str) -> None:
        sizes = self.column("height") * self.column("width") * 3
        needed = int((self.column("offset") + sizes).max(initial=0))
        size = path.stat().st_size if path.is_file() else None
        if size != needed:
            has = "is missing" if size is None else f"has {size:,} bytes"
            raise UserError(f"{path} {has}, the manifest needs {needed:,}. {again}")


def _digest(table: pa.Table, class_names: list[str], pixels_sha256: str) -> str:
    """Digest the rows as text, so that the result does not depend on pyarrow's version."""
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        digest.update(json.dumps(value, ensure_ascii=True).encode() + b"\n")

    add([class_names, pixels_sha256, table.num_rows])
    for name in SCHEMA.names:
        add([name, table.column(name).to_pylist()])
    return digest.hexdigest()
