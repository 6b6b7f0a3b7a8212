"""Classify images with a model that evaluate wrote.

MODEL is the folder `model` of a cell's results, or the model.onnx in it. Images are decoded,
resized and cropped as those of the test split were.
  python -m pipeline.predict results/flowers102/resnet50_vd/bayes/model photo.jpg holiday/
With --evaluate the one folder holds a folder per class, and the accuracy is printed.
Exit code 0: every image was read; 1: some were not, each named on stderr; 2: bad arguments.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from pipeline.base.errors import UserError
from pipeline.base.progress import interval
from pipeline.base.text import cell, printable, quoted, some
from pipeline.datasets.decoding import UnreadableError
from pipeline.datasets.tree import children, regular_bytes
from pipeline.deployment import predictor
from pipeline.deployment.accuracy import Accuracy, ClassAccuracy, accuracy
from pipeline.deployment.inputs import Unreadable, below, files
from pipeline.deployment.predictor import Predictor
from pipeline.settings.command_line import guarded
from pipeline.settings.folders import PROGRAM

BATCH = 32
BATCH_PIXELS = BATCH * 384**2
"""Of all images of a batch. A ResNet50_vd takes about 140 bytes of memory for each."""


@dataclass(frozen=True)
class Prediction:
    """The most likely classes of an image with their probabilities, the most likely first."""

    path: Path
    ranked: list[tuple[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict or evaluate, print, and return the exit code. Raises UserError for bad arguments."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may hold what its encoding cannot say
        sys.stdout.reconfigure(errors="backslashreplace")
    if options.top_k < 1:
        raise UserError(f"--top-k: found {options.top_k}, but at least 1 class is shown")
    model = predictor.load(options.model)
    unreadable = Unreadable()
    if options.evaluate:
        if len(options.inputs) != 1 or not os.path.isdir(options.inputs[0]):  # noqa: PTH112 - raises
            raise UserError("--evaluate takes one folder that holds a folder per class")
        _print_accuracy(_measured(model, options.inputs[0], unreadable), options.format)
    else:
        paths = files(options.inputs, unreadable)
        shown = sys.stdout.isatty()
        found = predictions(model, paths, options.top_k, unreadable, rows_shown=shown)
        _PRINTERS[options.format](found, Widths.of(paths, model.description.classes))
    return 1 if unreadable.count else 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=f"{PROGRAM} predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "model", type=Path, metavar="MODEL", help="a cell's folder `model`, or the model.onnx in it"
    )
    made.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        metavar="IMAGE|FOLDER",
        help="image files, and folders whose files at any depth are images",
    )
    made.add_argument("--top-k", type=int, default=5, help="classes to show (default: 5)")
    made.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        default="table",
        help="how to print it (default: table)",
    )
    made.add_argument("--evaluate", action="store_true", help="measure on folders of classes")
    return made


def predictions(
    model: Predictor,
    paths: Sequence[Path],
    top_k: int,
    unreadable: Unreadable,
    *,
    rows_shown: bool = False,
) -> Iterator[Prediction]:
    """Yield a prediction for every readable image, in order; pass the others to ``unreadable``.

    A bar counts the images, unless they are few, or ``rows_shown``: then the terminal shows the
    predictions as they come. Raises UserError when the model's output is not a number.
    """
    names = model.description.classes
    quiet = len(paths) <= BATCH or rows_shown
    with tqdm(
        total=len(paths), unit="image", leave=False, disable=quiet, mininterval=interval()
    ) as bar:
        batch = max(1, min(BATCH, BATCH_PIXELS // model.description.image_size**2))
        for start in range(0, len(paths), batch):
            kept, images = [], []
            for path in paths[start : start + batch]:
                try:
                    images.append(model.description.image(regular_bytes(path)))
                    kept.append(path)
                except OSError as error:
                    unreadable.add(path, f"cannot be read: {error.strerror}")
                except UnreadableError as error:
                    unreadable.add(path, str(error))
                except MemoryError:
                    unreadable.add(path, "too large for the memory of this machine")
                bar.update()
            if not kept:
                continue
            shares = model.probabilities(np.stack(images))
            if not np.isfinite(shares).all():
                raise UserError("the model gives no probabilities: its weights are damaged")
            for path, row in zip(kept, shares, strict=True):
                order = np.argsort(-row, kind="stable")[:top_k]
                yield Prediction(path, [(names[label], float(row[label])) for label in order])


def _measured(model: Predictor, folder: Path, unreadable: Unreadable) -> Accuracy:
    known = set(model.description.classes)
    try:
        folders, _ = children(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from None
    unknown = [path.name for path in folders if path.name not in known]
    if unknown:
        raise UserError(
            f"{folder}: {quoted(unknown, 5)} {'are' if len(unknown) > 1 else 'is'} "
            f"no class of this model. Its {len(known)} classes: "
            f"{some(model.description.classes)}"
        )
    classes = {path: each.name for each in folders for path in below(each, unreadable)}
    if not classes:
        raise UserError(f"{folder}: no images in folders that are named after classes")
    found = predictions(model, list(classes), 1, unreadable)
    pairs = [(classes[each.path], each.ranked[0][0]) for each in found]
    if not pairs:
        raise UserError(f"{folder}: none of the images can be read")
    return accuracy(pairs)


class Widths(NamedTuple):
    """The widths of the table's first two columns, which is printed row by row."""

    image: int
    name: int

    @classmethod
    def of(cls, paths: Sequence[Path], classes: Sequence[str]) -> Widths:
        longest = max((len(printable(path)) for path in paths), default=0)
        return cls(max(longest, len("image")), max(map(len, [*classes, "class"])))


def _print_table(found: Iterable[Prediction], widths: Widths) -> None:
    def line(image: str, name: str, *others: str) -> str:
        return "  ".join([image.ljust(widths.image), name.ljust(widths.name), *others]).rstrip()

    for number, each in enumerate(found):
        (name, share), *rest = each.ranked
        then = ", ".join(f"{other} {less:.4f}" for other, less in rest)
        if not number:
            print(line("image", "class", "probability", "next" if rest else ""))
        print(
            line(printable(each.path), printable(name), f"{share:.4f}".rjust(11), printable(then))
        )


def _print_json(found: Iterable[Prediction], _: Widths) -> None:
    """Print one JSON array, closed even after an error; other characters than ASCII are escaped."""
    before = "[\n "
    try:
        for each in found:
            ranked = [{"class": name, "probability": share} for name, share in each.ranked]
            row = json.dumps({"path": str(each.path), "predictions": ranked})
            print(f"{before}{row}", end="")
            before = ",\n "
    finally:
        print("[]" if before.startswith("[") else "\n]")


def _print_csv(found: Iterable[Prediction], _: Widths) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "rank", "class", "probability"])
    for each in found:
        for rank, (name, share) in enumerate(each.ranked, start=1):
            writer.writerow([cell(str(each.path)), rank, cell(name), repr(share)])


_PRINTERS = {"table": _print_table, "json": _print_json, "csv": _print_csv}


def _print_accuracy(found: Accuracy, kind: str) -> None:
    if kind == "json":
        print(json.dumps(found.plain(), indent=1))
    elif kind == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["class", "images", "correct", "accuracy", "low", "high"])
        for each in (*found.classes, found.overall):
            row = each.plain()
            writer.writerow([cell(row["class"]), *(repr(v) for v in list(row.values())[1:])])
    else:
        print(f"accuracy {_line(found.overall)}")
        width = max(len(printable(each.name)) for each in found.classes)
        for each in found.classes:
            print(f"  {printable(each.name):<{width}}   {_line(each)}")


def _line(each: ClassAccuracy) -> str:
    share = each.interval
    return (
        f"{share.mean:.4f}   95 % interval {share.low:.4f} to {share.high:.4f}   "
        f"{each.correct} of {each.images}"
    )


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # end silently, as filters do, when the reader closes the pipe
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    guarded(lambda: sys.exit(main()), resumes=False)
