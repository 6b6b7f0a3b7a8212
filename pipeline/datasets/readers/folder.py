"""Anybody's own images, in one of four layouts recognised by what is there.

a. one folder per class, with any depth of folders below;
b. folders train, val (or valid, validation) and test, each with one folder per class;
c. PaddleClas list files, ``train_list.txt`` and optionally ``val_list.txt``, ``test_list.txt``;
d. a CSV or parquet file with the columns path, label and optionally split.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from PIL import Image

from pipeline.base.errors import UserError
from pipeline.datasets.decoding import FORMATS
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers import paddle_lists, table
from pipeline.settings.schema import DatasetConfig

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """Paths in the listing are relative to the folder. Raises UserError for any other layout."""
    root = Path(dataset.root or "").expanduser()
    if root.is_file():
        return table.read(root)
    if not root.is_dir():
        raise UserError(f"dataset.root={root}: no such folder")
    if (root / paddle_lists.TRAIN).is_file():
        return paddle_lists.read(root)
    tables = [path for path in _files(root) if table.has_columns(path)]
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise UserError(f"{root} has several lists ({names}); set dataset.root to the one to use")
    if tables:
        return table.read(tables[0])
    return _read_folders(root)


def _read_folders(root: Path) -> Listing:
    folders = _folders(root)
    _require_no_images(root, "class folders")
    if not folders:
        raise UserError(
            f"{root} holds no images in a known layout: one folder per class; train, val and test "
            "folders of classes; train_list.txt; or a CSV or parquet file with path and label"
        )
    parts = [folder for folder in folders if folder.name in SPLIT_NAMES]
    if len(parts) == len(folders) and any(folder.name == "train" for folder in parts):
        return _read_splits(root, parts)
    if len(parts) > 1:
        others = _names([folder for folder in folders if folder not in parts])
        raise UserError(
            f"{root} has folders of splits ({_names(parts)}) "
            + (f"beside others ({others}). Keep one kind." if others else "but no train.")
        )
    return _listing(root, [(None, folder) for folder in folders])


def _read_splits(root: Path, parts: list[Path]) -> Listing:
    taken = [SPLIT_NAMES[part.name] for part in parts]
    if len(set(taken)) != len(taken):
        raise UserError(f"{root} has two folders for one split: {_names(parts)}")
    for part in parts:
        _require_no_images(part, "class folders")
        if not _folders(part):
            raise UserError(f"{part} holds no class folders")
    return _listing(
        root, [(SPLIT_NAMES[part.name], folder) for part in parts for folder in _folders(part)]
    )


def _listing(root: Path, classes: list[tuple[Split | None, Path]]) -> Listing:
    names = sorted({folder.name for _, folder in classes})
    labels = {name: label for label, name in enumerate(names)}
    entries = [
        Entry(path.relative_to(root).as_posix(), labels[folder.name], split, path)
        for split, folder in classes
        for path in _images_below(folder)
    ]
    return Listing(names, entries)


def _images_below(folder: Path) -> list[Path]:
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [path for name in sorted(files) if _is_image(path := Path(where, name))]
    return found


def _is_image(path: Path) -> bool:
    """By name, or by its first bytes: an image with a wrong name counts, a note beside it not."""
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in _suffixes():
        return True
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(_MAGIC)
    except OSError:
        return False


@cache
def _suffixes() -> frozenset[str]:
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in FORMATS)


def _require_no_images(folder: Path, where: str) -> None:
    loose = [path for path in _files(folder) if _is_image(path)]
    if loose:
        raise UserError(
            f"{folder}: {len(loose)} images lie beside the {where}, such as {loose[0].name}. "
            "Move each into the folder of its class."
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _folders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _names(folders: list[Path]) -> str:
    more = ", ..." if len(folders) > 5 else ""
    return ", ".join(folder.name for folder in folders[:5]) + more
