"""Compute stats.json of a prepared dataset, and print its summary, notes and warnings."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.base.text import count, printable, quoted, some
from pipeline.datasets import contents
from pipeline.datasets.deep import FULL
from pipeline.datasets.listing import SPLITS, Listing, alike
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.pixels import Stored
from pipeline.settings.dataset import DatasetConfig

IMBALANCE = 10
"""If the largest class has more than this many times the images of the smallest, we say so."""

_DIM = FULL / 8
"""If all values of a 16-bit image are below this, its data have fewer bits."""

_SHOWN_CLASSES = 10
_FEW = 5
"""Maximum number of files that are named one by one."""

_SHOWN_GROUPS = 10
_PATHS_KEPT = 100
"""Maximum number of paths kept for each kind of file left out; ``files`` counts all of them."""


def of(
    dataset: DatasetConfig,
    manifest: Manifest,
    listing: Listing,
    stored: Mapping[str, Stored],
    unreadable: Mapping[str, str],
) -> dict[str, Any]:
    """Return the content of stats.json: counts per split and class, what was left out, leaks."""
    rows = manifest.table.to_pylist()
    counted = {split: dict.fromkeys(manifest.class_names, 0) for split in SPLITS}
    for row in rows:
        counted[row["split"]][row["class_name"]] += 1
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "digest": manifest.digest,
        "layout": listing.layout,
        "doubts": listing.doubts,
        "classes": manifest.class_names,
        "counts": counted,
        "totals": {split: sum(counted[split].values()) for split in SPLITS},
        "unreadable": [{"path": path, "reason": why} for path, why in unreadable.items()],
        "left_out": [
            {
                "kind": group.kind,
                "reason": group.reason,
                "files": len(group.paths),
                "paths": group.paths[:_PATHS_KEPT],
            }
            for group in listing.left_out
        ],
        "duplicates": contents.differing(rows, "split"),
        "two_labels": contents.differing(rows, "class_name"),
        "repeated_rows": len(listing.entries) - len({entry.path for entry in listing.entries}),
        "repeated_kept": _repeated(rows),
        "dim": _dim(dataset, stored),
        "store_side": dataset.store_side,
    }


def _repeated(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the rows of each split that repeat the image of another row of the split."""
    distinct = Counter(split for split, _ in {(row["split"], row["path"]) for row in rows})
    every = Counter(row["split"] for row in rows)
    return {split: every[split] - distinct[split] for split in SPLITS}


def leaked_images(stats: Mapping[str, Any]) -> int:
    """Count the files whose content is in more than one split."""
    return _files(stats["duplicates"])


def copied_from_test(stats: Mapping[str, Any]) -> tuple[int, int]:
    """Count the files whose content is in the test split and in another, and their groups."""
    groups = [group for group in stats["duplicates"] if "test" in group["splits"]]
    return _files(groups), len(groups)


def _files(groups: Iterable[Mapping[str, Any]]) -> int:
    return sum(len(group["paths"]) for group in groups)


def summary(stats: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines that say how a dataset was read: layout, classes, images per split and class."""
    classes = stats["classes"]
    totals = ", ".join(f"{stats['totals'][split]:,} {split}" for split in SPLITS)
    yield f"{printable(stats['title'])}: {len(classes)} classes, {totals} images"
    if stats["layout"]:
        yield f"read as: {stats['layout']}"
    yield f"classes: {some(classes, _SHOWN_CLASSES)}"
    width = max(len(printable(name)) for name in classes[:_SHOWN_CLASSES])
    for name in classes[:_SHOWN_CLASSES]:
        numbers = ", ".join(f"{stats['counts'][split][name]:,} {split}" for split in SPLITS)
        yield f"  {printable(name).ljust(width)}  {numbers}"


def notes(stats: Mapping[str, Any]) -> Iterator[str]:
    """Yield sentences on what was left out of a dataset and which images are doubtful."""
    yield from stats["doubts"]
    for group in stats["left_out"]:
        number = f"{group['files']} {printable(group['kind'])}"
        few = "" if group["files"] > _FEW else f" ({some(group['paths'])})"
        yield f"left out: {number}: {printable(group['reason'])}{few}"
    if rare := stats["left_out_classes"]:
        shown = some([f"{name} ({images})" for name, images in rare.items()])
        yield f"{count(len(rare), 'class', 'classes')} left out as too rare: {shown}"
    for names in alike(stats["classes"]):
        yield f"the classes {quoted(names)} look alike: are they one?"
    for split in SPLITS[1:]:
        if absent := [name for name, images in stats["counts"][split].items() if not images]:
            classes = count(len(absent), "class", "classes")
            yield f"{classes} without a {split} image: {some(absent)}"
    if uneven := imbalance(stats["counts"]):
        yield uneven
    if groups := stats["two_labels"]:
        files = sum(len(group["paths"]) for group in groups)
        shown = "; ".join(
            f"{some(group['paths'])} ({some(sorted(set(group['class_names'])))})"
            for group in groups[:_SHOWN_GROUPS]
        )
        more = "; ..." if len(groups) > _SHOWN_GROUPS else ""
        stand = "stands" if len(groups) == 1 else "stand"
        yield (
            f"{count(len(groups), 'image')} {stand} under two labels, as {files} files: "
            f"{shown}{more}"
        )
    if stats["repeated_rows"]:
        repeat = "repeats" if stats["repeated_rows"] == 1 else "repeat"
        yield (
            f"{count(stats['repeated_rows'], 'row')} {repeat} the image of another row; an image "
            "counts once in splits that are drawn"
        )
    if kept := [f"{rows:,} in {split}" for split, rows in stats["repeated_kept"].items() if rows]:
        yield (
            f"the given splits keep their repeated rows ({', '.join(kept)}): these images count "
            "more than once in training, or in what is measured"
        )
    if stats["dim"]:
        yield _dim_warning(stats["dim"])


def warnings(stats: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Yield warnings that a person should read before training; ``path`` is that of stats.json."""
    yield from notes(stats)
    if imbalance(stats["counts"]):
        yield (
            "for uneven classes, objective: mean_class and recipe.class_balance: weights or "
            "sampling help, unless they are set already"
        )
    named = f"; {path} names them"
    if differing := stats["count_differences"]:
        yield f"{len(differing)} differences to the stated counts were accepted{named}"
    if lost := stats["unreadable"]:
        few = "; ".join(f"{printable(e['path'])}: {printable(e['reason'])}" for e in lost)
        they = "it" if len(lost) == 1 else "they"
        yield (
            f"{count(len(lost), 'image')} left out, as {they} cannot be read"
            f"{'' if len(lost) > _FEW else ': ' + few}{named}"
        )
    if groups := stats["duplicates"]:
        yield (
            f"{count(leaked_images(stats), 'image')} in {count(len(groups), 'group')} of identical "
            f"files stand in more than one split: what is measured on them is leaked{named}"
        )


def imbalance(counts: Mapping[str, Mapping[str, int]]) -> str | None:
    """Describe an imbalance beyond ``IMBALANCE`` by the smallest and the largest class.

    ``counts`` holds the images of each class by split; those to train on and to choose by count.
    """
    images = {name: counts["train"][name] + counts["val"][name] for name in counts["train"]}
    small, large = min(images, key=images.__getitem__), max(images, key=images.__getitem__)
    if images[large] <= IMBALANCE * images[small]:
        return None
    return (
        f"the classes are uneven: {printable(large)} has {images[large]:,} images beside the test "
        f"split, {printable(small)} has {images[small]:,}. Top-1 is decided by the large classes: "
        "compare it with the accuracy of always guessing the largest one"
    )


def _dim(dataset: DatasetConfig, stored: Mapping[str, Stored]) -> dict[str, Any] | None:
    """Describe the 16-bit images that use a small part of the range, unless ``white`` is set."""
    deep = {p: image.deep_maximum for p, image in stored.items() if image.deep_maximum is not None}
    dim = {path: maximum for path, maximum in deep.items() if maximum < _DIM}
    if not dim or dataset.white is not None:
        return None
    maximum = max(dim.values())
    return {
        "images": len(dim),
        "maximum": maximum,
        "white": (1 << max(maximum.bit_length(), 1)) - 1,
        "paths": list(dim)[:_PATHS_KEPT],
    }


def _dim_warning(dim: Mapping[str, Any]) -> str:
    return (
        f"{count(dim['images'], 'image')} of 16 bits have a maximum below an eighth of their "
        f"scale ({dim['maximum']} of {FULL}) and are stored nearly black. If white is "
        f"{dim['white']} in them, set dataset.white={dim['white']}; if they are meant to be dark, "
        f"set dataset.white={FULL}"
    )
