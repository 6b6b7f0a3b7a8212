"""Find images of a dataset that are the same, byte for byte."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
            source = entry.source
            size = source.nbytes if isinstance(source, np.ndarray) else source.stat().st_size
            sizes[size][entry.path] = source
    alike = [item for group in sizes.values() if len(group) > 1 for item in sorted(group.items())]
    groups: dict[str, list[str]] = defaultdict(list)
    for path, source in counted(alike, f"compare {title}", len(alike)):
        with suppress(OSError):
            groups[sha256_of(source)].append(path)
    return {path: paths[0] for paths in groups.values() if len(paths) > 1 for path in paths}


def differing(rows: Iterable[Mapping[str, Any]], column: str) -> list[dict[str, Any]]:
    """Return the groups of identical images whose rows differ in ``column``.

    Images in more than one ``split`` leak into what is measured; with more than one ``class_name``
    at least one label is wrong. Each dict has ``sha256``, ``paths`` and the values of the column,
    such as ``splits``.
    """
    groups = defaultdict(list)
    for row in rows:
        groups[row["sha256"]].append(row)
    return [
        {
            "sha256": sha256,
            "paths": [row["path"] for row in group],
            f"{column}s": [row[column] for row in group],
        }
        for sha256, group in sorted(groups.items())
        if len({row[column] for row in group}) > 1
    ]
