"""Stratified splits that depend on nothing but the names of the images and a seed.

Each image is ranked by a hash of its name, so a split does not depend on the order of a folder,
the machine or the version of any library, and one image more does not reshuffle the others.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.base.errors import UserError
from pipeline.datasets.listing import Entry, Listing, Split


def complete(
    listing: Listing, *, val_fraction: float, test_fraction: float, seed: int
) -> list[Entry]:
    """Give every entry a split, making those the dataset does not have.

    A missing test split is cut from train first, then a missing validation split from what is
    left. Raises UserError naming the classes with too few images for that.
    """
    entries = [replace(entry, split=entry.split or "train") for entry in listing.entries]
    present = {entry.split for entry in entries}
    missing: list[tuple[Split, float]] = []
    if "test" not in present:
        missing.append(("test", test_fraction))
    if "val" not in present:
        missing.append(("val", val_fraction))
    _require(entries, listing.class_names, 1 + len(missing))
    for position, (split, fraction) in enumerate(missing):
        still_to_come = len(missing) - position - 1
        taken = _hold_out(entries, fraction, keep=1 + still_to_come, words=(split, seed))
        entries = [
            replace(entry, split=split) if entry.split == "train" and entry.path in taken else entry
            for entry in entries
        ]
    return entries


def limit(entries: Sequence[Entry], split: Split, images: int | None, seed: int) -> list[Entry]:
    """Keep a stratified ``images`` of ``split`` (all if there are no more) and the other splits.

    Raises UserError when that leaves a class without an image.
    """
    groups = _by_label(entries, split)
    sizes = {label: len(paths) for label, paths in groups.items()}
    total = sum(sizes.values())
    if images is None or total <= images:
        return list(entries)
    if images < len(sizes):
        raise UserError(
            f"dataset.max_{split}_images={images} is less than one image for each of the "
            f"{len(sizes)} classes. Set it to {len(sizes)} or more."
        )
    quotas = {label: images * size / total for label, size in sizes.items()}
    shares = apportion(quotas, images, lower=dict.fromkeys(sizes, 1), upper=sizes)
    kept = _first(groups, shares, ("limit", split, seed))
    return [entry for entry in entries if entry.split != split or entry.path in kept]


def choose(groups: Mapping[int, Sequence[str]], per_class: int, words: object) -> set[str]:
    """``per_class`` names of each group, or all of a smaller one."""
    return _first(groups, dict.fromkeys(groups, per_class), words)


def apportion(
    quotas: Mapping[int, float], total: int, *, lower: Mapping[int, int], upper: Mapping[int, int]
) -> dict[int, int]:
    """Whole shares near ``quotas`` by largest remainder, within ``lower`` and ``upper``.

    They sum to ``total`` unless the bounds forbid it; then to the nearest sum they allow.
    """
    shares = {
        key: min(max(math.floor(quota), lower[key]), upper[key]) for key, quota in quotas.items()
    }
    while (left := total - sum(shares.values())) != 0:
        step = 1 if left > 0 else -1
        bound = upper if left > 0 else lower
        open_keys = [key for key in shares if shares[key] != bound[key]]
        if not open_keys:
            break
        open_keys.sort(key=lambda key: (step * (shares[key] - quotas[key]), key))
        for key in open_keys[: abs(left)]:
            shares[key] += step
    return shares


def _hold_out(entries: Sequence[Entry], fraction: float, *, keep: int, words: object) -> set[str]:
    """Paths of about ``fraction`` of train, at least one of each class, leaving it ``keep``."""
    groups = _by_label(entries, "train")
    quotas = {label: fraction * len(paths) for label, paths in groups.items()}
    most = {label: len(paths) - keep for label, paths in groups.items()}
    shares = apportion(
        quotas,
        round(sum(quotas.values())),
        lower={label: min(max(math.floor(q), 1), most[label]) for label, q in quotas.items()},
        upper={label: min(max(math.ceil(q), 1), most[label]) for label, q in quotas.items()},
    )
    return _first(groups, shares, words)


def _require(entries: Sequence[Entry], class_names: Sequence[str], images: int) -> None:
    groups = _by_label(entries, "train")
    short = {
        name: len(groups.get(label, ()))
        for label, name in enumerate(class_names)
        if len(groups.get(label, ())) < images
    }
    if short:
        shown = ", ".join(f"{name!r} ({count})" for name, count in list(short.items())[:10])
        more = f" and {len(short) - 10} more" if len(short) > 10 else ""
        raise UserError(
            f"too few images to split: each class needs {images} for training and the splits "
            f"made from it, but these have fewer: {shown}{more}. Add images, remove the class, "
            "or give the splits yourself."
        )


def _by_label(entries: Sequence[Entry], split: Split) -> dict[int, list[str]]:
    """Distinct paths of each class, in a fixed order."""
    groups: dict[int, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.split == split:
            groups[entry.label].add(entry.path)
    return {label: sorted(groups[label]) for label in sorted(groups)}


def _first(
    groups: Mapping[int, Sequence[str]], shares: Mapping[int, int], words: object
) -> set[str]:
    """The first ``shares[label]`` of each group in an order drawn from ``words``."""

    def rank(path: str) -> bytes:
        return hashlib.sha256(f"{words!r}\0{path}".encode()).digest()

    return {
        path for label, paths in groups.items() for path in sorted(paths, key=rank)[: shares[label]]
    }
