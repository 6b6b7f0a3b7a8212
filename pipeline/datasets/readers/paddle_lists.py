"""Read and write PaddleClas list files: a line is a path, a blank and a label from 0.

PaddleClas itself fails on a path with a space; here the label is what follows the last blank.
Lines that are repeated in train_list.txt (PaddleClas's advice for rare classes) stay repeated.

Run: python -m pipeline.datasets.readers.paddle_lists data/prepared/flowers102 OUT
writes the splits of a prepared dataset as train_list.txt, val_list.txt, test_list.txt and
label_list.txt. Paths are relative to the folder the images came from (Paddle's image_root).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.files import write_text
from pipeline.datasets.listing import SPLITS, Entry, Listing, Split
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.readers.parsing import parsed, within

TRAIN = "train_list.txt"
LABELS = "label_list.txt"
LISTS: dict[Split, str] = {"train": TRAIN, "val": "val_list.txt", "test": "test_list.txt"}


_FORM = "a line is `path label`, with a whole number as label, separated by a blank or a tab"


def read(root: Path) -> tuple[Listing, list[Path]]:
    """Read ``train_list.txt`` and, if they exist, the lists of val and test.

    Returns the listing and the files from which it was read.
    """
    lists = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
    entries = [
        Entry(path, label, split, root / path)
        for split, file in lists.items()
        for path, label in parsed(file, lambda line: _fields(root, line))
    ]
    labels = [entry.label for entry in entries]
    if labels and min(labels) > 0:
        raise UserError(
            f"{root / TRAIN}: labels count from 0, but these lists begin at {min(labels)}. "
            "Subtract it from each label."
        )
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


def export_lists(manifest: Manifest, into: Path, delimiter: str = " ") -> list[Path]:
    """Write the four files and return their paths.

    PaddleClas splits a line at every ``delimiter`` (its config has the same key): raises UserError
    for a path that holds it.
    """
    paths, labels = manifest.column("path"), manifest.labels
    breaking = [path for path in paths if delimiter in path]
    if breaking:
        raise UserError(
            f"{len(breaking)} paths hold the delimiter {delimiter!r}, such as {breaking[0]!r}. "
            "Choose another with --delimiter, and the same in PaddleClas's config."
        )
    written = []
    for split in SPLITS:
        rows = manifest.rows([split])
        written.append(into / f"{split}_list.txt")
        lines = (f"{paths[row]}{delimiter}{labels[row]}\n" for row in rows)
        write_text(written[-1], "".join(lines))
    written.append(into / LABELS)
    names = (f"{label} {name}\n" for label, name in enumerate(manifest.class_names))
    write_text(written[-1], "".join(names))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", type=Path, help="such as data/prepared/flowers102")
    parser.add_argument("into", type=Path, help="folder to write to")
    parser.add_argument("--delimiter", default=" ", help="between path and label (default: blank)")
    arguments = parser.parse_args()
    try:
        manifest = Manifest.load(arguments.prepared)
        for path in export_lists(manifest, arguments.into, arguments.delimiter):
            print(path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
