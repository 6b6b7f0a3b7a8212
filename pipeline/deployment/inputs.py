"""The image files a person names, one by one or by folder, and those that cannot be used."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pipeline.base.text import printable
from pipeline.datasets.tree import walk


class Unreadable:
    """Names each input that cannot be used on stderr, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, path: Path, reason: str) -> None:
        self.count += 1
        tqdm.write(f"error: {printable(path)}: {printable(reason)}", file=sys.stderr)

    def closed(self, error: OSError) -> None:
        self.add(Path(str(error.filename)), f"cannot be read: {error.strerror}")


def files(inputs: Sequence[Path], unreadable: Unreadable) -> list[Path]:
    """The files as given, and those in the folders."""
    found: list[Path] = []
    for path in inputs:
        before = unreadable.count
        inside = below(path, unreadable) if os.path.isdir(path) else [path]  # noqa: PTH112 - raises
        if not inside and unreadable.count == before:
            unreadable.add(path, "the folder holds no files")
        found += inside
    return found


def below(folder: Path, unreadable: Unreadable) -> list[Path]:
    """What lies in a folder at any depth, in order, but hidden entries; links are followed.

    The rule of prepare (``datasets.tree``). A folder that cannot be opened is handed to
    ``unreadable``, and so is what is no file; a link to a folder that is read already is skipped.
    """
    tree = walk(folder, unreadable.closed)
    broken = [path for path, _ in tree.odd if not os.path.isdir(path)]  # noqa: PTH112 - raises
    return sorted([*tree.files, *broken])
