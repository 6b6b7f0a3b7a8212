"""The manifest: pinned order, one digest for one content, and no damage unnoticed."""

import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import MANIFEST, PIXELS, SCHEMA, Manifest

ROWS = [
    (f"{label}/{number}.jpg", label, "ab"[label], split, f"{label}{number}", 12 * k, 2, 2)
    for k, (label, number, split) in enumerate(
        (label, number, ("train", "train", "val", "test")[number % 4])
        for label in range(2)
        for number in range(8)
    )
]


def manifest(rows=ROWS, names=("a", "b"), pixels="0" * 64):
    columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
    return Manifest.of(pa.table(columns, schema=SCHEMA), list(names), pixels)


@pytest.fixture
def prepared(tmp_path):
    folder = tmp_path / "pets"
    manifest().write(folder)
    (folder / PIXELS).write_bytes(bytes(12 * len(ROWS)))
    return folder


def test_comes_back_as_it_was_written(prepared):
    loaded, made = Manifest.load(prepared), manifest()
    assert loaded == made
    assert loaded.class_names == ["a", "b"]
    assert loaded.labels.tolist() == [row[1] for row in ROWS]
    assert loaded.labels.dtype == np.int64


def test_rows_of_splits_are_ascending(prepared):
    loaded = Manifest.load(prepared)
    assert loaded.rows(["val"]).tolist() == [2, 6, 10, 14]
    assert loaded.rows(["test", "val"]).tolist() == [2, 3, 6, 7, 10, 11, 14, 15]
    assert loaded.rows([]).tolist() == []


def test_order_of_rows_does_not_change_the_file(tmp_path):
    shuffled = ROWS.copy()
    random.Random(0).shuffle(shuffled)
    manifest().write(tmp_path / "one")
    manifest(shuffled).write(tmp_path / "other")
    assert (tmp_path / "one" / MANIFEST).read_bytes() == (
        tmp_path / "other" / MANIFEST
    ).read_bytes()


def test_digest_follows_every_part():
    other_row = [*ROWS[:-1], (*ROWS[-1][:3], "train", *ROWS[-1][4:])]
    digests = {
        manifest().digest,
        manifest(other_row).digest,
        manifest(names=("a", "c")).digest,
        manifest(pixels="1" * 64).digest,
    }
    assert len(digests) == 4


def test_digest_is_pinned():
    """Another value would disown every trial recorded so far."""
    digest = "bba5317b44707feda5353bb447a4105b968099cd7a1b952cc748f0b9eca79439"
    assert manifest().digest == digest


def test_missing_manifest_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match=r"pets is not prepared.*dvc repro prepare@pets"):
        Manifest.load(tmp_path / "pets")


def truncate(folder):
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes()[:-100])


def overwrite(folder):
    (folder / MANIFEST).write_bytes(b"not parquet")


def strip_metadata(folder):
    table = pq.read_table(folder / MANIFEST)
    pq.write_table(table.replace_schema_metadata(None), folder / MANIFEST)


def drop_column(folder):
    table = pq.read_table(folder / MANIFEST)
    pq.write_table(table.drop_columns(["sha256"]), folder / MANIFEST)


def change_a_split(folder):
    table = pq.read_table(folder / MANIFEST)
    column = table.column("split").to_pylist()
    column[2] = "train"
    at = table.schema.get_field_index("split")
    changed = table.set_column(at, SCHEMA.field("split"), pa.array(column))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), folder / MANIFEST)


def cut_pixels(folder):
    (folder / PIXELS).write_bytes(bytes(50))


def remove_pixels(folder):
    (folder / PIXELS).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        overwrite,
        strip_metadata,
        drop_column,
        change_a_split,
        cut_pixels,
        remove_pixels,
    ],
)
def test_damage_is_noticed(prepared, damage):
    damage(prepared)
    with pytest.raises(UserError, match="dvc repro -f prepare@pets"):
        Manifest.load(prepared)


def test_loads_without_torch(prepared):
    """report and the first lines of plan read manifests and must come in a second."""
    code = (
        "import sys, pathlib; from pipeline.datasets.manifest import Manifest;"
        f"Manifest.load(pathlib.Path({str(prepared)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
