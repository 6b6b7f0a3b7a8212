"""Find the image files that a person names, one by one or by folder, and report unusable ones."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pipeline.base.text import printable
from pipeline.datasets.tree import walk


class Unreadable:
    """Prints each input that cannot be used to stderr, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, path: Path, reason: str) -> None:
        self.count += 1
        tqdm.write(f"error: {printable(path)}: {printable(reason)}", file=sys.stderr)

    def closed(self, error: OSError) -> None:
        self.add(Path(str(error.filename)), f"cannot be read: {error.strerror}")


def files(inputs: Sequence[Path], unreadable: Unreadable) -> list[Path]:
    """Return the given files, with each folder replaced by the files in it."""
    found: list[Path] = []
    for path in inputs:
        before = unreadable.count
        inside = below(path, unreadable) if os.path.isdir(path) else [path]  # noqa: PTH112 - raises
        if not inside and unreadable.count == before:
            unreadable.add(path, "the folder holds no files")
        found += inside
    return found


def below(folder: Path, unreadable: Unreadable) -> list[Path]:
    """Return the files in a folder at any depth, in order, without hidden ones; follow links.

    The rules are those of prepare (``datasets.tree``). Folders that cannot be opened and entries
    that are not files are passed to ``unreadable``. A link to a folder that was already read is
    named and skipped: its files are predicted once, so nothing is missing.
    """
    tree = walk(folder, unreadable.closed)
    broken = []
    for path, reason in tree.odd:
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a closed folder
            tqdm.write(f"left out: {printable(path)}: {reason}", file=sys.stderr)
        else:
            broken.append(path)
    return sorted([*tree.files, *broken])
