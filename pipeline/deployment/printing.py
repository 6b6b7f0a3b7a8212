"""Print predictions and accuracies as a table, JSON or CSV. Names and paths come from outside."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from pipeline.base.text import cell, count, printable
from pipeline.deployment.accuracy import Accuracy, ClassAccuracy
from pipeline.deployment.classifying import Prediction

UNSURE = "(unsure)"
COLUMNS = ("path", "rank", "class", "probability", "sure")


class Look(NamedTuple):
    """The widths of the table's first two columns, and when a prediction counts as sure."""

    image: int
    name: int
    least: float
    """An image whose highest probability is lower has no class."""

    @classmethod
    def of(cls, paths: Sequence[Path], classes: Sequence[str], least: float) -> Look:
        longest = max((len(printable(path)) for path in paths), default=0)
        name = max(len(printable(each)) for each in [*classes, "class", UNSURE if least else ""])
        return cls(max(longest, len("image")), name, least)


def print_table(rows: Iterable[Prediction], look: Look) -> None:
    """Print aligned columns, a row at a time."""

    def line(image: str, name: str, *others: str) -> str:
        return "  ".join([image.ljust(look.image), name.ljust(look.name), *others]).rstrip()

    for number, each in enumerate(rows):
        sure = each.probability >= look.least
        rest = each.ranked[1:] if sure else each.ranked
        then = ", ".join(f"{other} {less:.4f}" for other, less in rest)
        if not number:
            print(line("image", "class", "probability", "next" if rest else ""))
        name = printable(each.name) if sure else UNSURE
        share = f"{each.probability:.4f}".rjust(11)
        print(line(printable(each.path), name, share, printable(then)))


def print_json(rows: Iterable[Prediction], look: Look) -> None:
    """Print one JSON array, closed even after an error; other characters than ASCII are escaped."""
    before = "[\n "
    try:
        for each in rows:
            print(f"{before}{json.dumps(plain(each, look.least))}", end="")
            before = ",\n "
    finally:
        print("[]" if before.startswith("[") else "\n]")


def plain(each: Prediction, least: float) -> dict[str, Any]:
    """Return a prediction as plain data; ``class`` is None if it is not sure."""
    ranked = [{"class": name, "probability": share} for name, share in each.ranked]
    sure = each.name if each.probability >= least else None
    return {"path": str(each.path), "class": sure, "predictions": ranked}


def write_csv(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    """Write a row for each class that is shown; ``sure`` is 0 for an image without a class."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        path, sure = cell(row["path"]), int(row["class"] is not None)
        for rank, each in enumerate(row["predictions"], start=1):
            writer.writerow([path, rank, cell(each["class"]), repr(each["probability"]), sure])


PRINTERS: dict[str, Callable[[Iterable[Prediction], Look], None]] = {
    "table": print_table,
    "json": print_json,
    "csv": lambda rows, look: write_csv((plain(each, look.least) for each in rows), sys.stdout),
}


def print_accuracy(measured: Accuracy, kind: str) -> None:
    if kind == "json":
        print(json.dumps(measured.plain(), indent=1))
    elif kind == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["class", "images", "correct", "accuracy", "low", "high"])
        for each in (*measured.classes, measured.overall):
            row = each.plain()
            writer.writerow([cell(row["class"]), *(repr(v) for v in list(row.values())[1:])])
    else:
        print(f"accuracy {_line(measured.overall)}")
        if measured.unsure:
            print(f"without a class, because it is not sure: {count(measured.unsure, 'image')}")
        width = max(len(printable(each.name)) for each in measured.classes)
        for each in measured.classes:
            print(f"  {printable(each.name):<{width}}   {_line(each)}")


def _line(each: ClassAccuracy) -> str:
    share = each.interval
    return (
        f"{share.mean:.4f}   95 % interval {share.low:.4f} to {share.high:.4f}   "
        f"{each.correct} of {each.images}"
    )
