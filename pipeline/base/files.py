"""Write files whole or not at all, so that an existing file is always complete."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and move it to ``path`` if the block succeeds.

    After an exception the temporary file is removed and an older ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes private files, but others may read results
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def link_files(source: Path, target: Path) -> None:
    """Let the folder ``target`` hold the files of ``source`` and its folders, without copying them.

    Files become hard links, or symbolic links if ``target`` is on another file system. Hidden files
    are left out. As every file is written whole, a change in one folder does not reach the other.
    """
    for path in source.rglob("*"):
        inner = path.relative_to(source)
        if path.is_dir() or any(part.startswith(".") for part in inner.parts):
            continue
        link = target / inner
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        try:
            link.hardlink_to(path.resolve())
        except OSError:
            link.symlink_to(path.resolve())


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, obj: Any) -> None:
    """Write an object as JSON; equal objects give equal bytes.

    Raises ValueError for NaN and infinities.
    """
    write_text(path, json.dumps(obj, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_yaml(path: Path, obj: Any) -> None:
    write_text(path, yaml.safe_dump(obj, sort_keys=False, allow_unicode=True))
