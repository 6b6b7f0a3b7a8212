"""PaddleClas list files: a line is a path, a blank and a label from 0.

PaddleClas itself breaks on a path with a space; here the label is what follows the last blank.
Lines repeated in train_list.txt (its advice for rare classes) stay repeated.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.config import UserError
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers.lists import parsed, within

TRAIN = "train_list.txt"
LISTS: dict[Split, str] = {"train": TRAIN, "val": "val_list.txt", "test": "test_list.txt"}


def read(root: Path) -> Listing:
    """``train_list.txt`` and, where they are there, the lists of val and test."""
    entries = [
        Entry(path, label, split, root / path)
        for split, name in LISTS.items()
        if (root / name).is_file()
        for path, label in parsed(root / name, lambda line: _fields(root, line))
    ]
    count = 1 + max((entry.label for entry in entries), default=-1)
    return Listing(_class_names(root, count), entries)


def _fields(root: Path, line: str) -> tuple[str, int]:
    path, label = line.rsplit(maxsplit=1)
    if int(label) < 0:
        raise ValueError("labels count from 0")
    return within(root, path), int(label)


def _class_names(root: Path, count: int) -> list[str]:
    """From the label map, if there is one; else the numbers.

    PaddleClas writes ``0 pink primrose``; PaddleX names only, one per line.
    """
    maps = sorted({*root.glob("*label_list.txt"), *root.glob("labels.txt")})
    if not maps:
        return [str(label) for label in range(count)]
    if len(maps) > 1:
        names = ", ".join(path.name for path in maps)
        raise UserError(f"{root} has several label maps ({names}); keep one")
    rows = list(parsed(maps[0], lambda line: line.split(maxsplit=1)))
    if all(row[0].isdecimal() and len(row) == 2 for row in rows):
        found = {int(label): name for label, name in rows}
    else:
        found = {label: " ".join(row) for label, row in enumerate(rows)}
    missing = sorted(set(range(max(count, len(found)))) - set(found))
    if missing:
        raise UserError(f"{maps[0]} has no name for label {missing[0]}")
    return [found[label] for label in sorted(found)]
