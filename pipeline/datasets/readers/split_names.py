"""Recognise the names that people give to splits in folders, tables and file names."""

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
"""Endings of a word that do not change its meaning: trainset, testdata."""

KNOWN = ", ".join(f"{split} ({', '.join(names[1:])})" for split, names in _ALIASES.items())
"""The known names, for messages."""


def split_of(name: str) -> Split | None:
    """Return the split that a name means: ``Training``, ``seg_test``, ``val2017``, ``devset``.

    One word of the name must be a split's name. A name with words of two splits gives None, except
    that ``train_val`` is train: the images from which a validation split is taken later.
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # MyTrain, but first tEsT
    splits = _splits_in(name) or _splits_in(apart)
    if splits == {"train", "val"}:
        return "train"
    return splits.pop() if len(splits) == 1 else None


def _splits_in(text: str) -> set[Split]:
    words = re.findall(r"[^\W\d_]+", text.casefold())
    known = (_SPLITS.get(word) or _SPLITS.get(_ATTACHED.sub("", word)) for word in words)
    return {split for split in known if split}


def is_exact(name: str) -> bool:
    """Return whether a name is exactly the name of a split."""
    return name.strip().casefold() in _SPLITS
