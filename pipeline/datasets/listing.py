"""What a reader hands over: the images of a dataset by name, before any pixel is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.base.errors import UserError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Source = Path | np.ndarray
"""An image file, or its pixels: uint8 of shape [H, W] or [H, W, 3]."""


@dataclass(frozen=True)
class Entry:
    """One line of a dataset's lists."""

    path: str
    """Names the image within its dataset, with ``/`` between folders."""
    label: int
    """From 0."""
    split: Split | None
    """None where the dataset leaves the choice to us."""
    source: Source


@dataclass(frozen=True)
class Listing:
    """``class_names[label]`` is the name of a label."""

    class_names: list[str]
    entries: list[Entry]

    def count(self) -> dict[Split, int]:
        """Entries of each list. Where no split is given everything counts as train."""
        counted = Counter(entry.split or "train" for entry in self.entries)
        return {split: counted[split] for split in SPLITS}

    def require_sound(self) -> None:
        """Raise UserError where no model could be trained on this listing, or rows would clash."""
        if not self.entries:
            raise UserError("there are no images in the lists of this dataset")
        if len(self.class_names) < 2:
            raise UserError(
                f"there is only one class, {_shown(self.class_names)}. Is this the right folder?"
            )
        clashing = [name for name, times in Counter(self.class_names).items() if times > 1]
        if clashing:
            raise UserError(f"two classes have the same name: {_shown(clashing)}")
        trained = {entry.label for entry in self.entries if entry.split in ("train", None)}
        untrained = [name for label, name in enumerate(self.class_names) if label not in trained]
        if untrained:
            raise UserError(
                f"no image to train on in {len(untrained)} of {len(self.class_names)} classes: "
                f"{_shown(untrained)}. Add images to them or remove them."
            )
        labels: dict[str, int] = {}
        for entry in self.entries:
            if labels.setdefault(entry.path, entry.label) != entry.label:
                both = [self.class_names[labels[entry.path]], self.class_names[entry.label]]
                raise UserError(f"{entry.path} is listed in two classes: {_shown(both)}")
            if not _writable(entry.path):
                raise UserError(f"the file name {entry.path!r} cannot be kept in a list; rename it")


def _writable(path: str) -> bool:
    """Not bytes that are no text (kept as surrogates), nor a name of several lines."""
    return "\n" not in path and path.encode(errors="replace").decode() == path


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(repr(name) for name in names[:10]) + more
