"""Say what a prepared dataset was made from, so that an experiment need not prepare it again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.settings.dataset import DatasetConfig

_PACKAGE = Path(__file__).resolve().parents[1]


def origin(dataset: DatasetConfig, raw: Path) -> str:
    """Return a digest of the settings, the code and the source files of a prepared dataset.

    Files count by name, size and time of the last change, as in make, so none of them is read.
    ``raw`` is the folder of the downloads.
    """
    digest = hashlib.sha256(json.dumps(dataset.model_dump(mode="json")).encode())
    for module in (_PACKAGE / "prepare.py", *sorted((_PACKAGE / "datasets").rglob("*.py"))):
        digest.update(module.read_bytes())
    for folder in (raw, *([_folder(Path(dataset.root))] if dataset.root else [])):
        for path in _files(folder):
            about = path.stat()
            state = f"{path.relative_to(folder)} {about.st_size} {about.st_mtime_ns}\n"
            digest.update(state.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _folder(root: Path) -> Path:
    """Return the folder with the images: ``root``, or where the table ``root`` lies."""
    return root.parent if root.is_file() else root


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(where, name)).is_file())
