"""Describe a person's images before anything is decoded: layout, classes, sizes, what is left out.

Reads the lists or the folder, and the headers of a few images. Does not import torch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from pipeline.base.text import count, printable, some
from pipeline.datasets import readers, splits
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing
from pipeline.settings.dataset import CountsConfig, DatasetConfig

_LOOKED_AT = 100
"""Maximum number of images whose size is read; they are evenly spread over the list."""
_UNKNOWN_SIDE = 256
"""The short side that is assumed if no header can be read; prepare names such files later."""


@dataclass(frozen=True)
class Images:
    """The images of a person as they were listed, and how they will be split."""

    listing: Listing
    """Every image, without the rare classes."""
    per_class: dict[str, int]
    """Number of images of each class that will be used."""
    splits: CountsConfig
    short_side: int
    """The median short side of some images, in pixels."""
    rare: dict[str, int]
    """Number of images of each class that is left out because it has too few."""

    def lines(self) -> list[tuple[str, str]]:
        """Return what a person should know of the images, as (title, text)."""
        ordered = sorted(self.per_class.items(), key=lambda item: item[1])
        (least, few), (most, many) = ordered[0], ordered[-1]
        shown = [
            (
                "images",
                f"{sum(self.per_class.values()):,}; the short side of half of them is at least "
                f"{self.short_side} px",
            ),
            (
                "classes",
                f"{len(ordered):,}: the smallest is {printable(least)} with {few:,}, the largest "
                f"{printable(most)} with {many:,}",
            ),
            (
                "splits",
                f"{self.splits.train:,} to train, {self.splits.val:,} to select by, "
                f"{self.splits.test:,} to test at the end",
            ),
        ]
        if self.listing.layout:
            shown.insert(0, ("layout", self.listing.layout))
        groups = [
            f"{len(group.paths):,} {printable(group.kind)}: {printable(group.reason)}"
            for group in self.listing.left_out
        ]
        if self.rare:
            shown_rare = some([f"{name} ({images})" for name, images in self.rare.items()])
            rare = count(len(self.rare), "class", "classes")
            groups.append(f"{rare} with too few images: {shown_rare}")
        shown.append(("left out", "; ".join(groups) or "nothing"))
        return shown


def survey(dataset: DatasetConfig) -> Images:
    """List a person's images and split them, without reading their content.

    Identical files, which prepare keeps in one split, count one by one here. Raises UserError if
    nothing could be trained on them.
    """
    name = dataset.name
    listing = readers.read(dataset, Archives.of(name))
    fractions = {"val_fraction": dataset.val_fraction, "test_fraction": dataset.test_fraction}
    missing = splits.missing_splits(listing, **fractions)
    listing, rare = splits.without_rare(listing, dataset.min_class_images, len(missing))
    listing.require_sound()
    entries = splits.complete(listing, **fractions, seed=dataset.split_seed, same={})
    entries = splits.limit(entries, "train", dataset.max_train_images, dataset.split_seed)
    entries = splits.limit(entries, "val", dataset.max_val_images, dataset.split_seed)
    labels = Counter(entry.label for entry in entries)
    return Images(
        listing=listing,
        per_class={name: labels[label] for label, name in enumerate(listing.class_names)},
        splits=CountsConfig(**replace(listing, entries=entries).count()),
        short_side=_short_side(entries),
        rare=rare,
    )


def _short_side(entries: Sequence[Entry]) -> int:
    """Return the median short side of some images, in pixels."""
    sides = []
    for entry in entries[:: max(1, len(entries) // _LOOKED_AT)]:
        if isinstance(entry.source, Path):
            try:
                with Image.open(entry.source) as image:
                    sides.append(min(image.size))
            except Exception:  # damaged in any way: prepare says so
                continue
        elif isinstance(entry.source, np.ndarray):
            sides.append(min(entry.source.shape[:2]))
    return round(median(sides)) if sides else _UNKNOWN_SIDE
