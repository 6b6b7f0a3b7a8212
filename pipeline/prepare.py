"""Decode a dataset once: read its official lists, split, and write the pixels all trials share.

Writes data/prepared/<dataset>/: manifest.parquet (one row per image), pixels.bin and stats.json.
Run: python -m pipeline.prepare dataset=digits --config-path quickstart
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pipeline.base.disk import full_disk_explained
from pipeline.base.errors import UserError
from pipeline.base.files import link_files, write_json, write_text
from pipeline.base.locks import alone
from pipeline.base.text import encodable, quoted, some
from pipeline.datasets import contents, counts, readers, splits
from pipeline.datasets import stats as facts
from pipeline.datasets.decoding import Decoding
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import SPLITS, Entry, Listing
from pipeline.datasets.manifest import MANIFEST, PIXELS, SCHEMA, STATS, Manifest
from pipeline.datasets.origin import origin
from pipeline.datasets.pixels import Placed, Stored, write_store
from pipeline.planning.estimates import need
from pipeline.planning.input_size import require_network
from pipeline.settings.command_line import stage
from pipeline.settings.dataset import DatasetConfig
from pipeline.settings.folders import home, prepared_dir
from pipeline.settings.schema import Config

_FEW = 500
"""With fewer images, or with images already decoded, starting workers costs more than it saves."""


def run(cfg: Config) -> None:
    name = cfg.dataset.name
    archives = Archives.of(name)
    into = prepared_dir(name)
    into.parent.mkdir(parents=True, exist_ok=True)
    kept = home() / into
    room = full_disk_explained(into, lambda: need(cfg.dataset).disk)
    with alone(kept.parent / f".{name}.lock", f"prepare of {name}"), room:
        _prepare_once(cfg.dataset, archives, into, kept)
    stats = json.loads((into / STATS).read_text(encoding="utf-8"))
    for line in facts.summary(stats):
        print(line)
    for line in facts.warnings(stats, into / STATS):
        print(line, file=sys.stderr)


def _prepare_once(dataset: DatasetConfig, archives: Archives, into: Path, kept: Path) -> None:
    """Prepare a dataset in the project's folder ``kept``, and let ``into`` hold the same files.

    They differ in DVC's copy of a repository for an experiment. If the experiment changes the data
    or how they are read, it prepares them for itself, and ``kept`` stays as it is.
    """
    note = kept.parent / f".{dataset.name}.origin"
    made_from = origin(dataset, archives.raw)
    workers = os.cpu_count() or 1
    if kept == into or not (kept / MANIFEST).exists():
        note.unlink(missing_ok=True)
        _prepare_unchanged(dataset, archives, kept, workers, made_from)
        write_text(note, made_from)
    if kept == into:
        return
    if note.exists() and note.read_text(encoding="utf-8") == made_from:
        link_files(kept, into)
        print(f"taken from {kept}, which was prepared from the same files and settings")
    else:
        _prepare_unchanged(dataset, archives, into, workers, made_from)


def _prepare_unchanged(
    dataset: DatasetConfig, archives: Archives, into: Path, workers: int, made_from: str
) -> None:
    """Prepare a dataset. Raise UserError if its files change meanwhile.

    DVC looks at them only after the stage, so it would take the new files for the ones read here.
    """
    prepare(dataset, archives, into, workers=workers)
    if origin(dataset, archives.raw) != made_from:
        (into / MANIFEST).unlink()
        raise UserError(
            f"{dataset.root or archives.raw}: files were added, removed or changed while they "
            "were read. Run the same command again when nothing writes there"
        )


def prepare(dataset: DatasetConfig, archives: Archives, into: Path, *, workers: int) -> Manifest:
    """Write the prepared dataset to ``into``; the manifest is written last, so it marks success.

    The result depends only on the lists and images, not on ``workers`` or on earlier files. Raises
    UserError if lists, counts or images are wrong.
    """
    listing = readers.read(dataset, archives)
    accepted = counts.check(dataset, listing)
    (into / MANIFEST).unlink(missing_ok=True)
    for abandoned in into.glob(f".{PIXELS}.*"):  # by a process that was killed
        shutil.rmtree(abandoned) if abandoned.is_dir() else abandoned.unlink()
    unreadable: dict[str, str] = {}
    rare: dict[str, int] = {}
    while True:
        entries, listing, more = _split(dataset, listing)
        rare |= more
        results, pixels_sha256 = _decode(dataset, entries, into / PIXELS, workers)
        stored = {path: got for path, got in results.items() if isinstance(got, Stored)}
        broken = {path: got for path, got in results.items() if isinstance(got, str)}
        images = len(results) + len(unreadable)
        unreadable |= broken
        try:
            _require_few(dataset, images, unreadable)
            emptied = _emptied(dataset, listing, entries, broken)
        except UserError:
            (into / PIXELS).unlink()
            raise
        if not emptied:
            break
        readable = [entry for entry in listing.entries if entry.path not in unreadable]
        listing = replace(listing, entries=readable)

    manifest = Manifest.of(_table(listing, entries, stored), listing.class_names, pixels_sha256)
    stats = facts.of(dataset, manifest, listing, stored, unreadable)
    stats |= {
        "left_out_classes": {encodable(name): images for name, images in rare.items()},
        "accepted_counts": bool(accepted),
        "count_differences": accepted,
    }
    write_json(into / STATS, stats)
    manifest.write(into)
    shutil.rmtree(archives.scratch, ignore_errors=True)
    return manifest


def _split(dataset: DatasetConfig, listing: Listing) -> tuple[list[Entry], Listing, dict[str, int]]:
    """Return the entries in a fixed order, the listing of kept classes, and the rare classes."""
    least = dataset.min_class_images
    fractions = {"val_fraction": dataset.val_fraction, "test_fraction": dataset.test_fraction}
    missing = splits.missing_splits(listing, **fractions)
    same: dict[str, str] = {}
    try:
        kept, rare = splits.without_rare(listing, least, len(missing))
    except UserError:
        if not missing:
            raise
        # Copies count once, so the number that works may be smaller.
        same = contents.same(listing.entries, dataset.name)
        kept, rare = splits.without_rare(listing, least, len(missing), same)
    listing = kept
    listing.require_sound()
    # Asked again, because only the classes left out may have had images of a given split.
    if missing := splits.missing_splits(listing, **fractions):
        same = contents.same(listing.entries, dataset.name)
        listing, more = splits.without_rare(listing, least, len(missing), same)
        rare |= more
        listing.require_sound()
    entries = splits.complete(listing, **fractions, seed=dataset.split_seed, same=same)
    entries = splits.limit(entries, "train", dataset.max_train_images, dataset.split_seed)
    entries = splits.limit(entries, "val", dataset.max_val_images, dataset.split_seed)
    return sorted(entries, key=lambda entry: (entry.path, entry.split or "")), listing, rare


def _decode(
    dataset: DatasetConfig, entries: Sequence[Entry], store: Path, workers: int
) -> tuple[dict[str, Placed], str]:
    """Write the pixels of the entries; return what became of each path, and the store's sha256."""
    sources = {entry.path: entry.source for entry in entries}
    at_hand = len(sources) < _FEW or not isinstance(entries[0].source, Path)
    placed, pixels_sha256 = write_store(
        list(sources.values()),
        store,
        Decoding.of(dataset),
        workers=1 if at_hand else workers,
        title=f"prepare {dataset.name}",
    )
    return dict(zip(sources, placed, strict=True)), pixels_sha256


def _require_few(dataset: DatasetConfig, images: int, unreadable: dict[str, str]) -> None:
    if len(unreadable) <= dataset.max_unreadable * images and len(unreadable) < images:
        return
    by_reason: dict[str, list[str]] = {}
    for path, reason in unreadable.items():
        by_reason.setdefault(reason, []).append(path)
    shown = [f"{some(paths, 3)}: {why}" for why, paths in by_reason.items()]
    more = [f"and {len(shown) - 20} other reasons"] if len(shown) > 20 else []
    allows = f", more than dataset.max_unreadable={dataset.max_unreadable:g} allows"
    raise UserError(
        "\n  ".join(
            [
                f"{dataset.name}: {len(unreadable)} of {images:,} images cannot be read"
                f"{allows if len(unreadable) < images else ''}:",
                *shown[:20],
                *more,
            ]
        )
    )


def _emptied(
    dataset: DatasetConfig, listing: Listing, entries: Sequence[Entry], broken: Mapping[str, str]
) -> bool:
    """Return whether a class lost all images of a split that can be drawn again without them.

    Raises UserError if it lost those of a split that was given.
    """
    missing = splits.missing_splits(listing, dataset.val_fraction, dataset.test_fraction)
    drawn = {split for split, _ in missing} | ({"train"} if missing else set())
    emptied = False
    for split in SPLITS:
        there = {entry.label for entry in entries if entry.split == split}
        left = {e.label for e in entries if e.split == split and e.path not in broken}
        gone = sorted(there - left)
        if gone and split not in drawn:
            names = quoted([listing.class_names[label] for label in gone])
            raise UserError(
                f"{dataset.name}: no {split} image of {names} can be read. Repair the files, or "
                "remove these classes"
            )
        emptied = emptied or bool(gone)
    return emptied


def _table(listing: Listing, entries: Sequence[Entry], stored: dict[str, Stored]) -> pa.Table:
    rows = [
        {
            "path": entry.path,
            "label": entry.label,
            "class_name": listing.class_names[entry.label],
            "split": entry.split,
            **vars(stored[entry.path]),
        }
        for entry in entries
        if entry.path in stored
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


if __name__ == "__main__":
    stage(run, __doc__, require_network)
