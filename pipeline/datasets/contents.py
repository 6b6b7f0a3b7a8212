"""Find images of a dataset that are the same, byte for byte."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from pipeline.base.progress import counted
from pipeline.datasets.listing import Entry, Source
from pipeline.datasets.tree import regular_bytes


def sha256_of(source: Source) -> str:
    """Return the sha256 of a file, or of pixels with their type and shape. Raises OSError."""
    if isinstance(source, np.ndarray):
        header = f"{source.dtype}{source.shape}".encode()
        return hashlib.sha256(header + source.tobytes()).hexdigest()
    return hashlib.sha256(regular_bytes(source)).hexdigest()


def same(entries: Iterable[Entry], title: str) -> dict[str, str]:
    """Map the path of each image that has a duplicate to one name shared by all its duplicates.

    Only files of equal size are read. A file that cannot be read counts as having no duplicate.
    ``title`` names the dataset in the progress bar.
    """
    sizes: dict[int, dict[str, Source]] = defaultdict(dict)
    for entry in entries:
        with suppress(OSError):
            sizes[_size(entry.source)][entry.path] = entry.source
    alike = [item for group in sizes.values() if len(group) > 1 for item in sorted(group.items())]
    groups: dict[str, list[str]] = defaultdict(list)
    for path, source in counted(alike, f"compare {title}", len(alike)):
        with suppress(OSError):
            groups[sha256_of(source)].append(path)
    return {path: paths[0] for paths in groups.values() if len(paths) > 1 for path in paths}


def across_splits(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the images that are in more than one split; what is measured on them is leaked.

    Each dict has ``sha256``, ``paths`` and ``splits`` of one group of identical files.
    """
    return [
        {"sha256": sha256, "paths": _column(group, "path"), "splits": _column(group, "split")}
        for sha256, group in _groups(rows)
        if len(set(_column(group, "split"))) > 1
    ]


def under_labels(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the images that have more than one label; at least one of the labels is wrong.

    Each dict has ``sha256``, ``paths`` and ``class_names`` of one group of identical files.
    """
    return [
        {
            "sha256": sha256,
            "paths": _column(group, "path"),
            "class_names": _column(group, "class_name"),
        }
        for sha256, group in _groups(rows)
        if len(set(_column(group, "class_name"))) > 1
    ]


def _groups(
    rows: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    alike = defaultdict(list)
    for row in rows:
        alike[row["sha256"]].append(row)
    yield from sorted(alike.items())


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows]


def _size(source: Source) -> int:
    return source.nbytes if isinstance(source, np.ndarray) else source.stat().st_size
