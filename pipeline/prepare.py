"""Decode a dataset once: read its official lists, split, and write the pixels all trials share.

Writes data/prepared/<dataset>/: manifest.parquet (one row per image), pixels.bin and stats.json.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.base.disk import full_disk_explained
from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.base.locks import alone
from pipeline.datasets import counts, readers, splits
from pipeline.datasets.decoding import Decoding
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import SPLITS, Entry, Listing
from pipeline.datasets.manifest import MANIFEST, PIXELS, SCHEMA, STATS, Manifest
from pipeline.datasets.pixels import Stored, Unreadable, write_store
from pipeline.planning.estimates import need
from pipeline.settings.command_line import stage
from pipeline.settings.folders import prepared_dir, raw_dir, unpacked_dir
from pipeline.settings.schema import Config, DatasetConfig

_FEW = 500
"""Below this many images, or with pixels at hand, starting workers takes longer than they save."""

_WARNINGS = {
    "count_differences": "differences to the stated counts were accepted",
    "unreadable": "images cannot be read and were left out",
    "duplicates": "images are in more than one split: what is measured on them is leaked",
}
"""By key of stats.json."""


def run(cfg: Config) -> None:
    name = cfg.dataset.name
    archives = Archives(name, raw_dir(name), unpacked_dir(name))
    into = prepared_dir(name)
    into.parent.mkdir(parents=True, exist_ok=True)
    room = full_disk_explained(into, lambda: need(cfg.dataset).disk)
    with alone(into.parent / f".{into.name}.lock", f"prepare of {name}"), room:
        manifest = prepare(cfg.dataset, archives, into, workers=os.cpu_count() or 1)
    totals = ", ".join(f"{len(manifest.rows([split])):,} {split}" for split in SPLITS)
    print(f"{cfg.dataset.title}: {len(manifest.class_names)} classes, {totals} images")
    stats = json.loads((into / STATS).read_text(encoding="utf-8"))
    for key, meaning in _WARNINGS.items():
        if stats[key]:
            print(f"{len(stats[key])} {meaning}; {into / STATS} names them", file=sys.stderr)


def prepare(dataset: DatasetConfig, archives: Archives, into: Path, *, workers: int) -> Manifest:
    """Write the prepared dataset to ``into``, the manifest last: one that is there is complete.

    The result depends on the lists and images alone, not on ``workers`` or on what was there.
    Raises UserError where lists, counts or images are not as they must be.
    """
    listing = readers.read(dataset, archives)
    accepted = counts.check(dataset, listing)
    listing.require_sound()
    entries = _split(dataset, listing)
    (into / MANIFEST).unlink(missing_ok=True)
    for abandoned in into.glob(f".{PIXELS}.*"):  # by a process that was killed
        abandoned.unlink()

    sources = {entry.path: entry.source for entry in entries}
    how = Decoding.of(dataset)
    at_hand = len(sources) < _FEW or not isinstance(entries[0].source, Path)
    placed, pixels_sha256 = write_store(
        list(sources.values()),
        into / PIXELS,
        how,
        workers=1 if at_hand else workers,
        title=f"prepare {dataset.name}",
    )
    results = dict(zip(sources, placed, strict=True))
    unreadable = {path: got.reason for path, got in results.items() if isinstance(got, Unreadable)}
    stored = {path: got for path, got in results.items() if isinstance(got, Stored)}
    _check_readable(dataset, listing, entries, unreadable)

    manifest = Manifest.of(_table(listing, entries, stored), listing.class_names, pixels_sha256)
    write_json(into / STATS, _stats(dataset, manifest, unreadable, accepted))
    manifest.write(into)
    shutil.rmtree(archives.scratch, ignore_errors=True)
    return manifest


def _split(dataset: DatasetConfig, listing: Listing) -> list[Entry]:
    """Entries in a pinned order."""
    entries = splits.complete(
        listing,
        val_fraction=dataset.val_fraction,
        test_fraction=dataset.test_fraction,
        seed=dataset.split_seed,
    )
    entries = splits.limit(entries, "train", dataset.max_train_images, dataset.split_seed)
    entries = splits.limit(entries, "val", dataset.max_val_images, dataset.split_seed)
    return sorted(entries, key=lambda entry: (entry.path, entry.split or ""))


def _check_readable(
    dataset: DatasetConfig, listing: Listing, entries: Sequence[Entry], unreadable: dict[str, str]
) -> None:
    images = len({entry.path for entry in entries})
    if len(unreadable) > dataset.max_unreadable * images:
        shown = "".join(f"\n  {path}: {why}" for path, why in list(unreadable.items())[:20])
        more = f"\n  and {len(unreadable) - 20} more" if len(unreadable) > 20 else ""
        raise UserError(
            f"{dataset.name}: {len(unreadable)} of {images:,} images cannot be read, more than "
            f"dataset.max_unreadable={dataset.max_unreadable:g} allows:{shown}{more}"
        )
    for split in SPLITS:
        there = {entry.label for entry in entries if entry.split == split}
        left = {e.label for e in entries if e.split == split and e.path not in unreadable}
        if gone := there - left:
            names = ", ".join(repr(listing.class_names[label]) for label in sorted(gone))
            raise UserError(f"{dataset.name}: no {split} image of {names} can be read")


def _table(listing: Listing, entries: Sequence[Entry], stored: dict[str, Stored]) -> pa.Table:
    rows = [(entry, stored[entry.path]) for entry in entries if entry.path in stored]
    columns: dict[str, list[Any]] = {
        "path": [entry.path for entry, _ in rows],
        "label": [entry.label for entry, _ in rows],
        "class_name": [listing.class_names[entry.label] for entry, _ in rows],
        "split": [entry.split for entry, _ in rows],
        "sha256": [image.sha256 for _, image in rows],
        "offset": [image.offset for _, image in rows],
        "height": [image.height for _, image in rows],
        "width": [image.width for _, image in rows],
    }
    return pa.table(columns, schema=SCHEMA)


def _stats(
    dataset: DatasetConfig, manifest: Manifest, unreadable: dict[str, str], accepted: list[str]
) -> dict[str, Any]:
    rows = manifest.table.to_pylist()
    counted = {split: dict.fromkeys(manifest.class_names, 0) for split in SPLITS}
    for row in rows:
        counted[row["split"]][row["class_name"]] += 1
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "digest": manifest.digest,
        "classes": manifest.class_names,
        "counts": counted,
        "totals": {split: sum(counted[split].values()) for split in SPLITS},
        "unreadable": [{"path": path, "reason": why} for path, why in unreadable.items()],
        "duplicates": _duplicates(rows),
        "accepted_counts": bool(accepted),
        "count_differences": accepted,
        "store_side": dataset.store_side,
    }


def _duplicates(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same image in more than one split: what is measured on it is leaked."""
    same = defaultdict(list)
    for row in rows:
        same[row["sha256"]].append(row)
    return [
        {
            "sha256": sha256,
            "paths": [row["path"] for row in group],
            "splits": [row["split"] for row in group],
        }
        for sha256, group in sorted(same.items())
        if len({row["split"] for row in group}) > 1
    ]


if __name__ == "__main__":
    stage(run, __doc__)
