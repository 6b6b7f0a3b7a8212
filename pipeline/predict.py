"""Classify images with a model that evaluate wrote.

MODEL is the folder `model` of a cell's results, or the model.onnx in it. Images are decoded,
resized and cropped as those of the test split were.
  python -m pipeline.predict results/flowers102/resnet50_vd/bayes/model photo.jpg holiday/
With --output the predictions go to a CSV file; after a stop the same command continues.
With --evaluate the one folder holds a folder per class, and the accuracy is printed.
Exit code 0: every image was read; 1: some were not, each named on stderr; 2: bad arguments.
"""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.base.arguments import documented
from pipeline.base.errors import UserError
from pipeline.base.text import count, quoted, some
from pipeline.datasets.tree import children
from pipeline.deployment import predictor, unfinished
from pipeline.deployment.accuracy import Accuracy, accuracy
from pipeline.deployment.classifying import predictions
from pipeline.deployment.inputs import Unreadable, below, files
from pipeline.deployment.predictor import Predictor
from pipeline.deployment.printing import PRINTERS, Look, print_accuracy
from pipeline.settings.command_line import guarded
from pipeline.settings.folders import PROGRAM


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict or evaluate, print, and return the exit code. Raises UserError for bad arguments."""
    return run(_parser().parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Do what :func:`main` does, with arguments that are parsed."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may hold what its encoding cannot say
        sys.stdout.reconfigure(errors="backslashreplace")
    _require_fitting(options)
    model = predictor.load(options.model)
    unreadable = Unreadable()
    least = options.min_probability
    if options.evaluate:
        if len(options.inputs) != 1 or not os.path.isdir(options.inputs[0]):  # noqa: PTH112 - raises
            raise UserError("--evaluate takes one folder that holds a folder per class")
        measured = _measured(model, options.inputs[0], least, unreadable)
        print_accuracy(measured, options.format)
    elif options.output is not None:
        paths = files(options.inputs, unreadable)
        request = unfinished.Request(model.description, options.top_k, least)
        before = unfinished.write(
            options.output,
            request,
            paths,
            lambda left: predictions(model, left, options.top_k, unreadable),
        )
        done = f", {before:,} of them by a run that was stopped" if before else ""
        print(f"{options.output}: {count(len(paths) - unreadable.count, 'image')}{done}")
    else:
        paths = files(options.inputs, unreadable)
        shown = sys.stdout.isatty()
        rows = predictions(model, paths, options.top_k, unreadable, rows_shown=shown)
        PRINTERS[options.format](rows, Look.of(paths, model.description.classes, least))
    return 1 if unreadable.count else 0


def _require_fitting(options: argparse.Namespace) -> None:
    if options.top_k < 1:
        raise UserError(f"--top-k: found {options.top_k}, but at least 1 class is shown")
    if not 0 <= options.min_probability <= 1:
        raise UserError(f"--min-probability: found {options.min_probability}; allowed: 0 to 1")
    if options.output is not None and (options.evaluate or options.format != "table"):
        raise UserError("--output writes predictions as CSV; leave out --evaluate and --format")


def _parser() -> argparse.ArgumentParser:
    made = documented(__doc__, prog=f"{PROGRAM} predict")
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
        "--min-probability",
        type=float,
        default=0.0,
        metavar="P",
        help="name no class for an image whose highest probability is below P",
    )
    made.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        default="table",
        help="how to print it (default: table)",
    )
    made.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write a CSV file; after a stop, the same command continues it",
    )
    made.add_argument("--evaluate", action="store_true", help="measure on folders of classes")
    return made


def _measured(model: Predictor, folder: Path, least: float, unreadable: Unreadable) -> Accuracy:
    known = set(model.description.classes)
    try:
        folders = children(folder).folders
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from None
    unknown = [path.name for path in folders if path.name not in known]
    if unknown:
        raise UserError(
            f"{folder}: {quoted(unknown, 5)} "
            f"{'are not classes' if len(unknown) > 1 else 'is not a class'} "
            f"of this model. Its {len(known)} classes: "
            f"{some(model.description.classes)}"
        )
    classes = {path: each.name for each in folders for path in below(each, unreadable)}
    if not classes:
        raise UserError(f"{folder}: no images in folders that are named after classes")
    read = list(predictions(model, list(classes), 1, unreadable))
    if not read:
        raise UserError(f"{folder}: none of the images can be read")
    sure = [(classes[each.path], each.name) for each in read if each.probability >= least]
    if not sure:
        raise UserError(f"--min-probability: none of {count(len(read), 'image')} reaches {least:g}")
    return accuracy(sure, unsure=len(read) - len(sure))


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # end silently, as filters do, when the reader closes the pipe
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    given = _parser().parse_args()
    guarded(lambda: sys.exit(run(given)), resumes=given.output is not None)
