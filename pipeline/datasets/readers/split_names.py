"""The names people give to splits, in folders, tables and the names of files."""

from __future__ import annotations

import re

from pipeline.datasets.listing import Split

_ALIASES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "trainval"),
    "val": (
        *("val", "valid", "validation", "validate", "validating"),
        *("dev", "devel", "eval", "evaluation"),
    ),
    "test": ("test", "testing", "tst"),
}
_SPLITS: dict[str, Split] = {alias: split for split, names in _ALIASES.items() for alias in names}
_ATTACHED = re.compile(r"(?:set|data|split|images?|imgs?)$")
"""Ends of a word that do not change what it says: trainset, testdata."""

KNOWN = ", ".join(f"{split} ({', '.join(names[1:])})" for split, names in _ALIASES.items())
"""For messages."""


def split_of(name: str) -> Split | None:
    """Return the split that a name stands for: ``Training``, ``seg_test``, ``val2017``, ``devset``.

    One word of the name must be a split's; words of two splits say nothing, but ``train_val`` is
    train: the images to train on before a validation split is taken from them.
    """
    splits = {split for word in _words(name) if (split := _split_of_word(word))}
    if splits == {"train", "val"}:
        return "train"
    return splits.pop() if len(splits) == 1 else None


def is_exact(name: str) -> bool:
    """Tell whether a name is nothing but a split's."""
    return name.strip().casefold() in _SPLITS


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # TrainSet
    return re.findall(r"[^\W\d_]+", spaced.casefold())


def _split_of_word(word: str) -> Split | None:
    return _SPLITS.get(word) or _SPLITS.get(_ATTACHED.sub("", word))
