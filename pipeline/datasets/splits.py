"""Make stratified splits that depend only on the images' names, their bytes and a seed.

Each image is ranked by a hash of its name and the seed. So a split does not depend on the order of
a folder, on the machine or on the version of any library, and an added image does not reshuffle the
others. Identical files share one *content* and go to the same split.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from pipeline.base.errors import UserError
from pipeline.base.text import count, some
from pipeline.datasets.listing import Entry, Listing, Split


def complete(
    listing: Listing,
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    same: Mapping[str, str] = MappingProxyType({}),
) -> list[Entry]:
    """Give every entry a split; draw the splits that the dataset does not have.

    A missing test split is taken from train first, then a missing validation split from the rest.
    ``same`` maps the path of a file that has duplicates to the name of their content
    (``contents.same``). A content stays in train if it has two labels or if a given split holds it
    too. Repeated entries of an image count once if they have no given split or if the image is held
    out. Raises UserError, which names the classes with too few images.
    """
    entries = _once(
        [replace(entry, split=entry.split or "train") for entry in listing.entries],
        {entry.path for entry in listing.entries if entry.split is None},
    )
    missing: list[tuple[Split, float]] = missing_splits(listing, val_fraction, test_fraction)
    bound = _bound(entries, same, 1 + len(missing))
    _require(entries, listing.class_names, 1 + len(missing), same, bound)
    for position, (split, fraction) in enumerate(missing):
        still_to_come = len(missing) - position - 1
        units = _units(entries, same, bound)
        taken = _hold_out(units, fraction, keep=1 + still_to_come, words=(split, seed))
        held = {
            entry.path
            for entry in entries
            if entry.split == "train" and same.get(entry.path, entry.path) in taken
        }
        entries = _once(
            [
                replace(e, split=split) if e.split == "train" and e.path in held else e
                for e in entries
            ],
            held,
        )
    return entries


def missing_splits(
    listing: Listing, val_fraction: float, test_fraction: float
) -> list[tuple[Split, float]]:
    """Return the splits to draw and the fraction for each, in the order of drawing."""
    present = {entry.split for entry in listing.entries}
    fractions: dict[Split, float] = {"test": test_fraction, "val": val_fraction}
    return [(split, fraction) for split, fraction in fractions.items() if split not in present]


def without_rare(
    listing: Listing,
    least: int | None,
    drawn: int = 0,
    same: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Listing, dict[str, int]]:
    """Leave out the classes with too few images to train on or to draw ``drawn`` splits from.

    A class needs ``least`` images, and at least one for training and one for each drawn split.
    Images are counted as :func:`complete` counts them. If ``least`` is None, no class is left out.
    Returns the remaining listing, with its labels renumbered, and the number of images of each
    class that was left out. Raises UserError if that leaves fewer than two of several classes. If
    no two classes have images, only classes without images are left out: no number would help, and
    ``Listing.require_sound`` says what is wrong.
    """
    if least is None:
        return listing, {}
    entries = [replace(entry, split=entry.split or "train") for entry in listing.entries]
    bound = _bound(entries, same, 1 + drawn) if drawn else set()
    sizes = _usable(entries, len(listing.class_names), same, bound)
    several = len({entry.label for entry in entries}) > 1
    needed = max(least, 1 + drawn) if several else 1
    kept = [label for label, size in enumerate(sizes) if size >= needed]
    rare = {listing.class_names[label]: size for label, size in enumerate(sizes) if size < needed}
    if several and len(kept) < 2:
        raise UserError(_too_rare(least, 1 + drawn, sizes, len(kept)))
    labels = {old: new for new, old in enumerate(kept)}
    remaining = [
        replace(entry, label=labels[entry.label])
        for entry in listing.entries
        if entry.label in labels
    ]
    names = [listing.class_names[label] for label in kept]
    return replace(listing, class_names=names, entries=remaining), rare


def _too_rare(least: int, needed: int, sizes: Sequence[int], kept: int) -> str:
    enough = sorted(sizes)[-2:][0]
    way_out = (
        f"Set it to {enough} or less"
        if enough >= needed
        else f"Each needs {count(needed, 'different image')} to train on and split: add images"
    )
    return (
        f"dataset.min_class_images: found {least}, which leaves {kept} of "
        f"{count(len(sizes), 'class', 'classes')}; at least two are needed. "
        f"The largest has {count(max(sizes), 'image')}. {way_out}"
    )


def limit(entries: Sequence[Entry], split: Split, images: int | None, seed: int) -> list[Entry]:
    """Keep at most ``images`` stratified entries of ``split``, and all entries of other splits.

    Raises UserError when ``images`` is less than one per class.
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
    """Choose ``per_class`` names of each group, or all names of a smaller group.

    The choice is random, but the same for the same names and ``words``.
    """
    return _first(groups, dict.fromkeys(groups, per_class), words)


def apportion(
    quotas: Mapping[int, float], total: int, *, lower: Mapping[int, int], upper: Mapping[int, int]
) -> dict[int, int]:
    """Round ``quotas`` to whole shares by largest remainder, within ``lower`` and ``upper``.

    The shares sum to ``total``, or to the nearest sum that the bounds allow.
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


def _hold_out(
    units: Mapping[int, _Units], fraction: float, *, keep: int, words: object
) -> set[str]:
    """Return the contents to hold out: about ``fraction`` of train, one or more per class.

    At least ``keep`` contents of each class stay in train. Identical files count as several images.
    A content is skipped if its files exceed what is left of its class's share.
    """
    sizes = {label: unit.images for label, unit in units.items()}
    quotas = {label: fraction * size for label, size in sizes.items()}
    most = {label: size - keep for label, size in sizes.items()}
    shares = apportion(
        quotas,
        round(sum(quotas.values())),
        lower={label: min(max(math.floor(q), 1), most[label]) for label, q in quotas.items()},
        upper={label: min(max(math.ceil(q), 1), most[label]) for label, q in quotas.items()},
    )
    taken: set[str] = set()
    for label, unit in units.items():
        ranked = sorted(unit.free, key=lambda name: _rank(name, words))
        most_contents = len(ranked) - max(keep - unit.bound, 0)
        chosen: list[str] = []
        left = shares[label]
        for name in ranked:
            if len(chosen) < most_contents and unit.free[name] <= left:
                chosen.append(name)
                left -= unit.free[name]
        if not chosen:
            chosen = sorted(ranked, key=lambda name: unit.free[name])[: min(1, most_contents)]
        taken |= set(chosen)
    return taken


class _Units(NamedTuple):
    """The distinct contents of one class in train."""

    free: dict[str, int]
    """Contents that may be held out, with the number of files of each."""
    bound: int
    """Number of contents that must stay in train."""
    images: int

    @property
    def usable(self) -> int:
        """Number of contents available to the splits; the bound ones together count as one."""
        return len(self.free) + min(self.bound, 1)


def _units(
    entries: Sequence[Entry], same: Mapping[str, str], bound: Collection[str]
) -> dict[int, _Units]:
    units = {}
    for label, paths in _by_label(entries, "train").items():
        sizes = Counter(same.get(path, path) for path in paths)
        free = {name: size for name, size in sizes.items() if name not in bound}
        units[label] = _Units(free, len(sizes) - len(free), len(paths))
    return units


def _usable(
    entries: Sequence[Entry], classes: int, same: Mapping[str, str], bound: Collection[str]
) -> list[int]:
    """Return the number of usable contents of each class in train (``_Units.usable``)."""
    units = _units(entries, same, bound)
    return [units.get(label, _Units({}, 0, 0)).usable for label in range(classes)]


def _bound(entries: Sequence[Entry], same: Mapping[str, str], images: int) -> set[str]:
    """Return the contents that must stay in train: with two labels, or in another split as well.

    If this leaves a class fewer than ``images`` usable contents, its contents that are in another
    split are not bound. They are in two splits in any case.
    """
    labels = defaultdict(set)
    given = set()
    for entry in entries:
        name = same.get(entry.path, entry.path)
        labels[name].add(entry.label)
        if entry.split != "train":
            given.add(name)
    ambiguous = {name for name, all_labels in labels.items() if len(all_labels) > 1}
    short = {
        label
        for label, unit in _units(entries, same, given | ambiguous).items()
        if unit.usable < images
    }
    return ambiguous | {name for name in given if not labels[name] & short}


def _once(entries: Sequence[Entry], paths: Collection[str]) -> list[Entry]:
    """Drop the second and later entries of each of ``paths`` in the same split."""
    kept = []
    seen: set[tuple[str, Split | None]] = set()
    for entry in entries:
        if entry.path in paths and (entry.path, entry.split) in seen:
            continue
        seen.add((entry.path, entry.split))
        kept.append(entry)
    return kept


def _require(
    entries: Sequence[Entry],
    class_names: Sequence[str],
    images: int,
    same: Mapping[str, str],
    bound: Collection[str],
) -> None:
    files = Counter(entry.label for entry in entries if entry.split == "train")
    short = [
        f"{class_names[label]!r} ({size})"
        if size == files[label]
        else f"{class_names[label]!r} ({size} in {files[label]} files)"
        for label, size in enumerate(_usable(entries, len(class_names), same, bound))
        if size < images
    ]
    if short:
        raise UserError(
            f"too few images to split: each class needs {images} different images, for training "
            f"and the splits made from it, but these have fewer: {some(short)}. Images with two "
            "labels can only be used in train. Add images, make the splits yourself, or leave such "
            f"classes out with dataset.min_class_images={images}."
        )


def _by_label(entries: Sequence[Entry], split: Split) -> dict[int, list[str]]:
    """Return the distinct paths of each class, in a fixed order."""
    groups: dict[int, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.split == split:
            groups[entry.label].add(entry.path)
    return {label: sorted(groups[label]) for label in sorted(groups)}


def _first(
    groups: Mapping[int, Sequence[str]], shares: Mapping[int, int], words: object
) -> set[str]:
    """Return the first ``shares[label]`` names of each group, in an order drawn from ``words``."""
    return {
        path
        for label, paths in groups.items()
        for path in sorted(paths, key=lambda path: _rank(path, words))[: shares[label]]
    }


def _rank(name: str, words: object) -> bytes:
    return hashlib.sha256(f"{words!r}\0{name}".encode()).digest()
