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
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.cli import guarded
from pipeline.config import UserError
from pipeline.datasets.decoding import UnreadableError
from pipeline.packaged import predictor
from pipeline.packaged.accuracy import Accuracy, ClassAccuracy, accuracy
from pipeline.packaged.predictor import Predictor
from pipeline.reporting.tables import Column, Table, Value, to_text

BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of an image with their probabilities, the likeliest first."""

    path: Path
    ranked: list[tuple[str, float]]


class Unreadable:
    """Names each input that cannot be used on stderr, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, path: Path, reason: str) -> None:
        self.count += 1
        tqdm.write(f"error: {path}: {reason}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict or evaluate, print, and return the exit code. Raises UserError for bad arguments."""
    options = _parser().parse_args(arguments)
    if options.top_k < 1:
        raise UserError(f"--top-k: found {options.top_k}, but at least 1 class is shown")
    model = predictor.load(options.model)
    unreadable = Unreadable()
    if options.evaluate:
        if len(options.inputs) != 1 or not options.inputs[0].is_dir():
            raise UserError("--evaluate takes one folder that holds a folder per class")
        _print_accuracy(_measured(model, options.inputs[0], unreadable), options.format)
    else:
        found = predictions(model, _images(options.inputs, unreadable), options.top_k, unreadable)
        _PRINTERS[options.format](list(found))
    return 1 if unreadable.count else 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m pipeline.predict",
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
    model: Predictor, paths: Sequence[Path], top_k: int, unreadable: Unreadable
) -> Iterator[Prediction]:
    """Of every image that can be read, in order; the others are handed to ``unreadable``."""
    names = model.description.classes
    few = len(paths) <= BATCH  # done before a bar could be read
    bar = tqdm(total=len(paths), unit="image", leave=False, disable=few)
    for start in range(0, len(paths), BATCH):
        kept, images = [], []
        for path in paths[start : start + BATCH]:
            try:
                images.append(model.description.image(path.read_bytes()))
                kept.append(path)
            except OSError as error:
                unreadable.add(path, f"cannot be read: {error.strerror}")
            except UnreadableError as error:
                unreadable.add(path, str(error))
            bar.update()
        if not kept:
            continue
        for path, row in zip(kept, model.probabilities(np.stack(images)), strict=True):
            order = np.argsort(-row, kind="stable")[:top_k]
            yield Prediction(path, [(names[label], float(row[label])) for label in order])
    bar.close()


def _images(inputs: Sequence[Path], unreadable: Unreadable) -> list[Path]:
    """The files as given, and those in the folders."""
    found: list[Path] = []
    for path in inputs:
        inside = _below(path) if path.is_dir() else [path]
        if not inside:
            unreadable.add(path, "the folder holds no files")
        found += inside
    return found


def _below(folder: Path) -> list[Path]:
    """The files at any depth, in order, but hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def _measured(model: Predictor, folder: Path, unreadable: Unreadable) -> Accuracy:
    known = set(model.description.classes)
    folders = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    unknown = [path.name for path in folders if path.name not in known]
    if unknown:
        raise UserError(
            f"{folder}: {', '.join(map(repr, unknown[:5]))} {'are' if len(unknown) > 1 else 'is'} "
            f"no class of this model. Its {len(known)} classes: "
            f"{', '.join(model.description.classes[:10])}{', ...' if len(known) > 10 else ''}"
        )
    images = {each.name: _below(each) for each in folders}
    if not any(images.values()):
        raise UserError(f"{folder}: no images in folders that are named after classes")
    pairs = []
    for name, paths in images.items():
        found = predictions(model, paths, 1, unreadable)
        pairs += [(name, each.ranked[0][0]) for each in found]
    if not pairs:
        raise UserError(f"{folder}: none of the images can be read")
    return accuracy(pairs)


def _print_table(found: Sequence[Prediction]) -> None:
    if not found:
        return
    columns = [Column("image", "image"), Column("class", "class"), Column("share", "probability")]
    if len(found[0].ranked) > 1:
        columns.append(Column("next", "next"))
    rows: list[list[Value]] = []
    for each in found:
        (name, share), *others = each.ranked
        then = [", ".join(f"{other} {less:.4f}" for other, less in others)] if others else []
        rows.append([str(each.path), name, f"{share:.4f}", *then])
    print(to_text(Table("predictions", "", columns, rows)))


def _print_json(found: Sequence[Prediction]) -> None:
    rows = [
        {
            "path": str(each.path),
            "predictions": [{"class": name, "probability": share} for name, share in each.ranked],
        }
        for each in found
    ]
    print(json.dumps(rows, indent=1, ensure_ascii=False))


def _print_csv(found: Sequence[Prediction]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "rank", "class", "probability"])
    for each in found:
        for rank, (name, share) in enumerate(each.ranked, start=1):
            writer.writerow([each.path, rank, name, repr(share)])


_PRINTERS = {"table": _print_table, "json": _print_json, "csv": _print_csv}


def _print_accuracy(found: Accuracy, kind: str) -> None:
    if kind == "json":
        print(json.dumps(found.plain(), indent=1, ensure_ascii=False))
    elif kind == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["class", "images", "correct", "accuracy", "low", "high"])
        for each in (*found.classes, found.overall):
            row = each.plain()
            writer.writerow([row["class"], *(repr(v) for v in list(row.values())[1:])])
    else:
        print(f"accuracy {_line(found.overall)}")
        width = max(len(each.name) for each in found.classes)
        for each in found.classes:
            print(f"  {each.name:<{width}}   {_line(each)}")


def _line(each: ClassAccuracy) -> str:
    share = each.interval
    return (
        f"{share.mean:.4f}   95 % interval {share.low:.4f} to {share.high:.4f}   "
        f"{each.correct} of {each.images}"
    )


if __name__ == "__main__":
    guarded(lambda: sys.exit(main()))
