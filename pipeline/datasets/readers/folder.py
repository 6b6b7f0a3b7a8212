"""Read a person's own images, in one of four layouts that are recognised by content.

a. one folder per class, with any depth of folders below;
b. folders of splits (``split_names``), each with one folder per class;
c. PaddleClas list files, ``train_list.txt`` and optionally ``val_list.txt``, ``test_list.txt``;
d. a CSV or parquet file with the columns path, label and optionally split.

b, c and d may lie in one folder of the root, as an archive leaves them.
"""

import os
from dataclasses import replace
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.text import printable, some
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Listing
from pipeline.datasets.readers import class_folders, paddle_lists, table
from pipeline.datasets.readers.inventory import Inventory
from pipeline.datasets.readers.parsing import lines
from pipeline.datasets.readers.split_names import split_of
from pipeline.settings.dataset import DatasetConfig

_KNOWN = (
    "one folder per class; train, val and test folders of classes; train_list.txt; or a CSV or "
    "parquet file with path and label"
)
_DEPTH = 6
"""How many nested folders, each the only one in its parent, are searched for a known layout."""

_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
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
            return table.read(root)
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
        names = some([path.name for path in tables])
        raise UserError(f"{here} has several lists ({names}); set dataset.root to the one to use")
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
    if tables := [path for path in _files(here) if table.is_table(path)]:
        raise UserError(
            f"{fault}\n{'; '.join(map(table.described, tables[:5]))}. Is that the list of the "
            f"images? {table.NEEDED}"
        )
    if lists := {path: name for path in _files(here) if (name := _list_name(path))}:
        wanted = [f"{path.name} to {name}" for path, name in lists.items() if path.name != name]
        rename = f"If these are such lists, rename {', '.join(wanted)}. " if wanted else ""
        lacking = "" if paddle_lists.TRAIN in lists.values() else f"{paddle_lists.TRAIN} is missing"
        names = ", ".join(paddle_lists.LISTS.values())
        raise UserError(
            f"{fault}\n{here}: lists of images and labels must be called {names}. "
            f"{rename}{lacking}".rstrip()
        )
    if listing is not None and listing.class_names:
        level, inner = class_folders.inner_folders(Inventory(root), here, listing)
        if len(inner) > 1:
            raise UserError(
                f"{fault} It holds the folders {some(inner, 5)}: if those are the classes, set "
                f"dataset.class_level={level}."
            )
    if sheets := [path.name for path in _files(here) if path.suffix.lower() in _SPREADSHEETS]:
        raise UserError(
            f"{fault}\n{here}: {some(sheets, 5)} cannot be read here. If it names the classes, "
            f"save it as CSV. {table.NEEDED}"
        )
    if listing is not None:
        if not listing.class_names:
            raise UserError(f"{here} holds no images in a known layout: {_KNOWN}")
        return listing
    assert fault is not None
    raise fault


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
    labels = {(one.label, other.label) for one, other in pairs}
    renamed = len(labels) == len({one for one, _ in labels}) == len({other for _, other in labels})
    splits = [other.split for one, other in pairs if other.split not in (None, one.split)]
    if renamed and not splits:
        return
    differing = "splits" if renamed else "classes"
    raise UserError(
        f"{path.parent}: the folders and the table {printable(path.name)} give the same images "
        f"different {differing}. Set dataset.root to the table if it is right, or "
        "dataset.class_level=1 if the folders are"
    )


def _with_unlisted(root: Path, listing: Listing, lists: list[Path]) -> Listing:
    inventory = Inventory(root)
    sources = [entry.source for entry in listing.entries if isinstance(entry.source, Path)]
    inventory.note_unlisted(sources, lists)
    return replace(listing, left_out=inventory.left_out())


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
