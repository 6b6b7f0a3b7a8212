"""What a reader hands over: the images of a dataset by name, before any pixel is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

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
