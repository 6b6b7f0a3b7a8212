"""Define what a reader returns: the images of a dataset by name, before any pixel is read."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.base.errors import UserError
from pipeline.base.text import quoted, some

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Source = Path | np.ndarray
"""An image file, or its pixels: uint8 of shape [H, W] or [H, W, 3]."""


@dataclass(frozen=True)
class Entry:
    """One image in a dataset's lists."""

    path: str
    """Name of the image within its dataset, with ``/`` between folders."""
    label: int
    """Number of the class, from 0."""
    split: Split | None
    """The given split; None if the dataset gives none and prepare chooses one."""
    source: Source


@dataclass(frozen=True)
class LeftOut:
    """Files of one kind in a dataset's folder that are not part of the data."""

    kind: str
    """The kind as shown after a number: ``.heic``, ``hidden``."""
    reason: str
    paths: list[str]


@dataclass(frozen=True)
class Listing:
    """The images and classes of a dataset; ``class_names[label]`` is the name of a label."""

    class_names: list[str]
    entries: list[Entry]
    layout: str = ""
    """The layout in which the reader read a person's folder, in words."""
    left_out: list[LeftOut] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """What a person should check, because the images might be meant in another way."""
    without_images: Mapping[str, str] = field(default_factory=dict)
    """By class name: what the class holds instead of readable images."""

    def count(self) -> dict[Split, int]:
        """Return the number of entries per split; entries without a split count as train."""
        counted = Counter(entry.split or "train" for entry in self.entries)
        return {split: counted[split] for split in SPLITS}

    def require_sound(self) -> None:
        """Raise UserError if no model could be trained on this listing, or if its rows clash."""
        if not self.entries:
            read = f" (read as: {self.layout})" if self.layout else ""
            holds = [f"{name!r}: {what}" for name, what in self.without_images.items()]
            raise UserError("; ".join([f"there is no image to train on{read}", *holds[:10]]))
        if len(self.class_names) < 2:
            raise UserError(
                f"there is only one class, {quoted(self.class_names)}. Is this the right folder?"
            )
        clashing = [name for name, times in Counter(self.class_names).items() if times > 1]
        if clashing:
            raise UserError(f"two classes have the same name: {quoted(clashing)}")
        trained = {entry.label for entry in self.entries if entry.split in ("train", None)}
        untrained = [name for label, name in enumerate(self.class_names) if label not in trained]
        if untrained:
            self._refuse_untrained(untrained)
        labels: dict[str, int] = {}
        for entry in self.entries:
            if labels.setdefault(entry.path, entry.label) != entry.label:
                both = [self.class_names[labels[entry.path]], self.class_names[entry.label]]
                raise UserError(f"{entry.path} is listed in two classes: {quoted(both)}")
            # A manifest holds a path as one line of text without surrogates.
            if "\n" in entry.path or entry.path.encode(errors="replace").decode() != entry.path:
                raise UserError(f"the file name {entry.path!r} cannot be kept in a list; rename it")

    def _refuse_untrained(self, untrained: list[str]) -> None:
        holds = [
            f"{name!r}: {self.without_images[name]}"
            for name in untrained
            if name in self.without_images
        ]
        hint = f" ({some(holds, 3)})" if holds else ""
        if pairs := [pair for pair in alike(self.class_names) if set(pair) & set(untrained)]:
            hint += f" ({quoted(pairs[0])} look alike: are they one class?)"
        raise UserError(
            f"no image to train on in {len(untrained)} of {len(self.class_names)} classes: "
            f"{quoted(untrained)}{hint}. Add images to them, or leave such classes out with "
            "dataset.min_class_images=1."
        )


def alike(class_names: Iterable[str]) -> list[list[str]]:
    """Return groups of names that differ only in case, blanks or the spelling of accents."""
    groups: dict[str, list[str]] = {}
    for name in class_names:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(plain, []).append(name)
    return [names for names in groups.values() if len(names) > 1]
