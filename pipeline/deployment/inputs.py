"""The image files a person names, one by one or by folder, and those that cannot be used."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm


def printable(text: object) -> str:
    """On one line, and harmless to a terminal, whatever a file is called."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text)
    )


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

    A folder that cannot be opened is handed to ``unreadable``.
    """
    found: list[Path] = []
    seen = set(map(str, Path(os.path.realpath(folder)).parents))
    for where, folders, names in os.walk(folder, onerror=unreadable.closed, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:  # a link back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(where, name) for name in sorted(names) if not name.startswith(".")]
    return found


def content(path: Path) -> bytes:
    """The bytes of a regular file. Raises OSError, also for a pipe or device, which may not end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "not a regular file", str(path))
    return path.read_bytes()
