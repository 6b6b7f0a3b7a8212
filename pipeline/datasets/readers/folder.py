"""Read a person's own images, in one of five layouts that are recognised by content.

a. one folder per class, with any depth of folders below;
b. folders of splits (``split_names``), each with one folder per class;
c. one folder per class, each with folders of splits that hold the images, and nothing else;
d. PaddleClas list files, ``train_list.txt`` and optionally ``val_list.txt``, ``test_list.txt``;
e. a CSV or parquet file with the columns path, label and optionally split.

b, d and e may lie in one folder of the root, as an archive leaves them.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pipeline.base.errors import UserError
from pipeline.base.text import count, printable, some
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Listing
from pipeline.datasets.readers import class_folders, paddle_lists, table
from pipeline.datasets.readers.inventory import Inventory
from pipeline.datasets.readers.parsing import lines
from pipeline.datasets.readers.split_names import split_of
from pipeline.settings.dataset import DatasetConfig

_KNOWN = (
    "one folder per class; train, val and test folders of classes; one folder per class, each with "
    "train, val and test folders; train_list.txt; or a CSV or parquet file with path and label"
)
_DEPTH = 6
"""How many nested folders, each the only one in its parent, are searched for a known layout."""

_OTHER_SUFFIXES = """
.xlsx .xls .xlsm .ods .numbers .txt .json .jsonl .ndjson .xml .yaml .yml .arrow .feather
.pkl .pickle .npy .npz .mat .h5 .hdf5 .db .sqlite .sqlite3
"""
_OTHER_DATA = frozenset(_OTHER_SUFFIXES.split())
"""Suffixes of files that may hold labels and are not read here."""
_PACKED = frozenset([".zip", ".gz", ".tgz", ".bz2", ".xz", ".tar", ".7z", ".rar"])
"""Suffixes of archives and compressed files, which may hold the images."""
_LOOKED_AT = 5
"""Number of lines of a text file that decide whether it looks like a list."""


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the images of a folder or table; paths are relative to the folder.

    Raises UserError for any other layout.
    """
    root = Path(dataset.root or "").expanduser()
    try:
        is_folder = os.path.isdir(root)  # noqa: PTH112 - Path.is_dir raises for a closed folder
        if root.is_file():
            listing = table.read(root)
            return replace(listing, doubts=[*_other_folder(listing)])
        there = os.path.lexists(root)
    except OSError as error:
        raise UserError(f"dataset.root={root}: {error.strerror}") from error
    if not is_folder:
        reason = "neither a folder nor a file" if there else "no such folder"
        raise UserError(f"dataset.root={root}: {reason}")
    if dataset.class_level is not None:
        return class_folders.at_level(root, dataset.class_level)
    inner = _inner(root)
    return _listed(root, root) or _listed(inner, root) or _folders(inner, root)


def _inner(root: Path) -> Path:
    """Return ``root``, or the first folder with a clear layout among the only folders below it."""
    inventory = Inventory(root)
    here = root
    for _ in range(_DEPTH):
        lists = (here / paddle_lists.TRAIN).is_file() or any(_image_tables(here))
        if lists or class_folders.holds_splits(inventory, here):
            return here
        folders = inventory.children(here).folders
        if len(folders) != 1 or class_folders.own_image(here):
            return root
        here = folders[0]
    return root


def _image_tables(folder: Path) -> list[Path]:
    return [path for path in _files(folder) if table.names_images(path)]


def _listed(here: Path, root: Path) -> Listing | None:
    """Read lists or a table with the exact known names; they take precedence over folders."""
    if (here / paddle_lists.TRAIN).is_file():
        listing, lists = paddle_lists.read(here)
        return _with_unlisted(root, listing, lists)
    tables = [path for path in _files(here) if table.has_columns(path)]
    if len(tables) > 1:
        raise _several(here, tables)
    return _with_unlisted(root, table.read(tables[0]), tables) if tables else None


def _folders(here: Path, root: Path) -> Listing:
    """Read folders of classes; if that fails, look for a table or list that gives the labels."""
    listing, fault = None, None
    try:
        listing = class_folders.recognised(here, root)
        listing.require_sound()
    except UserError as error:
        fault = error
    if fault is None and listing is not None:
        for path in _image_tables(here):
            _refuse_contradiction(listing, path)
        return listing
    named = _image_tables(here)
    if len(named) == 1:
        return _with_unlisted(root, table.read(named[0]), named)
    if listing is not None and len(listing.class_names) > 1:
        return listing  # some classes have no images; dataset.min_class_images may leave them out
    if named:
        raise _several(here, named)
    if listing is not None and not listing.class_names:
        fault = UserError(f"{here} holds no images in a known layout: {_KNOWN}")
    raise UserError("\n".join([str(fault), *_hints(here, root, listing)]))


def _several(here: Path, tables: list[Path]) -> UserError:
    names = some([path.name for path in tables])
    return UserError(
        f"{here} has several lists ({names}); set dataset.root to the one to use, or join them "
        "in one list with a column split"
    )


def _hints(here: Path, root: Path, listing: Listing | None) -> Iterator[str]:
    """Yield what else in a folder that could not be read might give the classes."""
    inventory = Inventory(root)
    if listing is not None and listing.class_names:
        level, inner = class_folders.inner_folders(inventory, here, listing)
        if len(inner) > 1:
            yield (
                f"It holds the folders {some(inner, 5)}: if those are the classes, set "
                f"dataset.class_level={level}."
            )
    entries = inventory.children(here)
    if tables := [path for path in entries.files if table.is_table(path)]:
        yield f"{'; '.join(map(table.described, tables[:5]))}. Is that the list of the images?"
    if lists := {path: name for path in entries.files if (name := _list_name(path))}:
        wanted = [f"{path.name} to {name}" for path, name in lists.items() if path.name != name]
        rename = f"If these are such lists, rename {', '.join(wanted)}. " if wanted else ""
        lacking = "" if paddle_lists.TRAIN in lists.values() else f"{paddle_lists.TRAIN} is missing"
        names = ", ".join(paddle_lists.LISTS.values())
        yield (
            f"{here}: lists of images and labels must be called {names}. {rename}{lacking}".rstrip()
        )
    others = [path for path in entries.files if path.suffix.lower() in _OTHER_DATA]
    if unread := [path.name for path in others if path not in lists]:
        yield (
            f"{here}: {some(unread, 5)} cannot be read here. If it names the classes, save it as "
            "CSV."
        )
    if tables or unread:
        yield table.NEEDED
    if packed := [path.name for path in entries.files if path.suffix.lower() in _PACKED]:
        yield f"{here}: {some(packed, 5)} cannot be read here. If it holds the images, unpack it."
    if entries.hidden:
        names = some([path.name for path in entries.hidden], 5)
        yield f"{here}: these are left out, as their names begin with a dot: {names}."


def _refuse_contradiction(folders: Listing, path: Path) -> None:
    """Refuse a table beside class folders that gives their images other classes, or splits."""
    try:
        listed = table.read(path)
    except UserError:
        return  # it lists other images
    own = {os.path.abspath(str(each.source)): each for each in folders.entries}  # noqa: PTH100
    pairs = [
        (own[source], each)
        for each in listed.entries
        if (source := os.path.abspath(str(each.source))) in own  # noqa: PTH100
    ]
    labels = {
        (folders.class_names[one.label], listed.class_names[other.label]) for one, other in pairs
    }
    renamed = len(labels) == len({one for one, _ in labels}) == len({other for _, other in labels})
    mixed_up = {one for one, other in labels if one != other} & {other for _, other in labels}
    splits = [other.split for one, other in pairs if other.split not in (None, one.split)]
    if renamed and not mixed_up and not splits:
        return
    differing = "splits" if renamed and not mixed_up else "classes"
    raise UserError(
        f"{path.parent}: the folders and the table {printable(path.name)} give the same images "
        f"different {differing}. Set dataset.root to the table if it is right, or "
        "dataset.class_level=1 if the folders are"
    )


def _with_unlisted(root: Path, listing: Listing, lists: list[Path]) -> Listing:
    inventory = Inventory(root)
    sources = [entry.source for entry in listing.entries if isinstance(entry.source, Path)]
    inventory.note_unlisted(sources, lists)
    doubts = [*listing.doubts, *_other_folder(listing)]
    return replace(listing, left_out=inventory.left_out(), doubts=doubts)


def _other_folder(listing: Listing) -> Iterator[str]:
    """Say which images a list gives another class than that whose name their folder has."""
    names = {*listing.class_names}
    odd = [
        f"{entry.path} is {listing.class_names[entry.label]}"
        for entry in listing.entries
        if (folder := PurePosixPath(entry.path).parent.name) in names
        and folder != listing.class_names[entry.label]
    ]
    if odd:
        lie = "lies" if len(odd) == 1 else "lie"
        images = count(len(odd), "image")
        yield f"{images} {lie} in a folder named like another class: {some(odd, 3)}"


def _list_name(path: Path) -> str | None:
    """Return the known name for a file named like a split whose lines are an image and a label."""
    split = split_of(path.stem)
    if path.suffix.lower() not in (".txt", ".lst", ".list") or split is None:
        return None
    try:
        rows = [line.rsplit(maxsplit=1) for line in lines(path)[:_LOOKED_AT]]
    except UserError:
        return None
    looks_like_list = bool(rows) and all(
        len(row) == 2 and row[1].isdecimal() and (path.parent / row[0]).is_file() for row in rows
    )
    return paddle_lists.LISTS[split] if looks_like_list else None


def _files(folder: Path) -> list[Path]:
    return Inventory(folder).children(folder).files
