"""Read PaddleClas list files: a line is a path, a blank and a label from 0.

PaddleClas itself fails on a path with a space; here the label is what follows the last blank.
Lines that are repeated in train_list.txt (PaddleClas's advice for rare classes) stay repeated.
"""

from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers.parsing import (
    lines,
    parsed,
    require_some,
    with_slashes,
    within,
)

TRAIN = "train_list.txt"
LISTS: dict[Split, str] = {"train": TRAIN, "val": "val_list.txt", "test": "test_list.txt"}


_FORM = "a line is `path label`, with a whole number as label, separated by a blank or a tab"


def read(root: Path) -> tuple[Listing, list[Path]]:
    """Read ``train_list.txt`` and, if they exist, the lists of val and test.

    Returns the listing and the files from which it was read.
    """
    lists = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
    written = {
        file: [line.rsplit(maxsplit=1)[0] for line in lines(file)] for file in lists.values()
    }
    backslashes = with_slashes(root, [name for names in written.values() for name in names])
    entries = [
        Entry(path, label, split, root / path)
        for split, file in lists.items()
        for path, label in parsed(
            file, lambda line: _fields(root, line.replace("\\", "/") if backslashes else line)
        )
    ]
    labels = [entry.label for entry in entries]
    if labels and min(labels) > 0:
        raise UserError(
            f"{root / TRAIN}: labels count from 0, but these lists begin at {min(labels)}. "
            "Subtract it from each label."
        )
    for file, names in written.items():
        require_some(file, [name.replace("\\", "/") for name in names] if backslashes else names)
    layout = "lists (" + ", ".join(f"{file.name} is {split}" for split, file in lists.items()) + ")"
    names, maps = _class_names(root, 1 + max(labels, default=-1))
    return Listing(names, entries, layout), [*lists.values(), *maps]


def _fields(root: Path, line: str) -> tuple[str, int]:
    try:
        path, label = line.rsplit(maxsplit=1)
    except ValueError:
        raise ValueError(_FORM) from None
    if not label.isascii() or not label.isdecimal():
        negative = label.startswith("-") and label[1:].isdecimal()
        raise ValueError("labels count from 0" if negative else _FORM)
    if len(label) > 6:
        raise ValueError("more than a million classes")
    return within(root, path), int(label)


def _class_names(root: Path, count: int) -> tuple[list[str], list[Path]]:
    """Return the class names and the label map they come from; numbers if there is no map.

    PaddleClas writes ``0 pink primrose``; PaddleX writes only names, one per line.
    """
    maps = sorted(
        path for pattern in ("*label_list.txt", "labels.txt") for path in root.glob(pattern)
    )
    if not maps:
        return [str(label) for label in range(count)], []
    if len(maps) > 1:
        names = ", ".join(path.name for path in maps)
        raise UserError(f"{root} has several label maps ({names}); keep one")
    rows = list(parsed(maps[0], lambda line: line.split(maxsplit=1)))
    if all(row[0].isdecimal() and len(row) == 2 for row in rows):
        named = {int(label): name for label, name in rows}
    else:
        named = {label: " ".join(row) for label, row in enumerate(rows)}
    missing = sorted(set(range(max(count, len(named)))) - set(named))
    if missing:
        raise UserError(f"{maps[0]} has no name for label {missing[0]}")
    return [named[label] for label in sorted(named)], maps
