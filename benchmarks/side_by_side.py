"""Compare this project with the timm script that most people would write, in the same time.

    python benchmarks/side_by_side.py --program PATH/TO/vdtransfer [--minutes 5] [--json PATH]

Each dataset is a folder of images with train/, val/ and test/. This project runs as a user runs it:
`vdtransfer tune FOLDER --hours H --model efficientnet_lite0` in an empty folder, then
`vdtransfer predict`. The other program is timm_script.py. They run one after the other on all
cores, start from the same ImageNet weights of EfficientNet-Lite0, and predict the same test images.
AutoGluon and ultralytics are left out: they download weights of their own and cannot start from
these.

fashion_mnist needs the files of Debian's package dataset-fashion-mnist in data/raw/fashion_mnist.
clip_art needs Debian's package openclipart-png.
"""

import csv
import gzip
import hashlib
import itertools
import os
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.base.statistics import wilson_interval
from pipeline.models.weights import load, locate
from pipeline.settings.compose import compose

ROOT = Path(__file__).resolve().parents[1]
MODEL = "efficientnet_lite0"
CLIP_ART = Path("/usr/share/openclipart/png")
FOLDERS = (
    *("animals", "computer", "food", "geography", "office", "people", "recreation", "shapes"),
    *("signs_and_symbols", "special", "tools", "transportation"),
)
PER_CLASS = 150
"""Maximum number of pictures from a folder of clip art, so that no class dominates."""
LARGEST = 1 << 22
"""Maximum number of pixels of a picture of clip art."""
FASHION = Path("data/raw/fashion_mnist")
SHARES = (("test", 0.25), ("val", 0.4), ("train", 1.0))
"""Cumulative shares of the splits; the images are ordered by the digests of their names."""

Picture = tuple[str, str, Image.Image]
"""Class, name and pixels."""
Row = dict[str, float]


def digits() -> Iterator[Picture]:
    data = load_digits()
    for number, (values, label) in enumerate(zip(data.images, data.target, strict=True)):
        yield str(label), f"{number}.png", Image.fromarray((values * 15).astype(np.uint8))


def fashion_mnist() -> Iterator[Picture]:
    """Yield the first 4,000 training images; the official test split stays closed."""
    with gzip.open(FASHION / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + 4000 * 784), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(FASHION / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + 4000), np.uint8, offset=8)
    for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        yield str(label), f"{number}.png", Image.fromarray(pixels)


def clip_art() -> Iterator[Picture]:
    """Yield pictures on white, at most 256 px large; the few files above LARGEST are left out."""
    for folder in FOLDERS:
        paths = sorted((CLIP_ART / folder).rglob("*.png"), key=lambda path: _rank(path.name))
        for number, path in enumerate(itertools.islice(filter(_small, paths), PER_CLASS)):
            picture = Image.open(path).convert("RGBA")
            picture.thumbnail((256, 256))
            white = Image.new("RGBA", picture.size, "white")
            yield folder, f"{number}.png", Image.alpha_composite(white, picture).convert("RGB")


def _small(path: Path) -> bool:
    width, height = struct.unpack(">II", path.read_bytes()[16:24])  # the first chunk of a PNG
    return bool(width * height <= LARGEST)


SETS: dict[str, Callable[[], Iterator[Picture]]] = {
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "clip_art": clip_art,
}


def _rank(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def write_folders(pictures: Iterator[Picture], folder: Path) -> None:
    """Write the pictures to ``folder/SPLIT/CLASS/NAME``, in stratified splits."""
    by_class: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_class[picture[0]].append(picture)
    for name, members in by_class.items():
        members.sort(key=lambda picture: _rank(picture[1]))
        for place, (_, file, image) in enumerate(members):
            split = next(split for split, share in SHARES if place < share * len(members))
            path = folder / split / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)


def ours(images: Path, minutes: float, scratch: Path, program: str) -> Path:
    """Tune and predict with this project in an empty folder; return the CSV of predictions."""
    predictions = scratch / "predictions.csv"
    options = ["--hours", f"{minutes / 60:.4f}", "--model", MODEL]
    _run([program, "tune", str(images), *options], scratch)
    model = next(scratch.glob("**/results/**/model"))
    with predictions.open("w", encoding="utf-8") as file:
        command = ["predict", str(model), str(images / "test"), "--format", "csv", "--top-k", "1"]
        subprocess.run([program, *command], cwd=scratch, check=True, stdout=file)
    return predictions


def timm_script(images: Path, minutes: float, scratch: Path) -> Path:
    model = compose(ROOT, [f"model={MODEL}"]).model
    weights = locate(model, Path())
    assert weights is not None
    checkpoint, predictions = scratch / "imagenet.pth", scratch / "predictions.csv"
    # the same weights under timm's names
    torch.save(load(weights.path, model.arch).state, checkpoint)
    script = Path(__file__).with_name("timm_script.py")
    options = ["--checkpoint", str(checkpoint), "--predictions", str(predictions)]
    _run([sys.executable, str(script), str(images), "--minutes", str(minutes), *options], scratch)
    return predictions


def _run(command: Sequence[str], folder: Path) -> None:
    print("$", *command, file=sys.stderr)
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)


def measured(way: Callable[[Path, float, Path], Path], images: Path, minutes: float) -> Row:
    """Run one program in a new folder; return its test accuracy and total seconds."""
    with TemporaryDirectory() as scratch:
        begin = time.monotonic()
        predictions = way(images, minutes, Path(scratch))
        seconds = time.monotonic() - begin
        with predictions.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    right = sum(Path(row["path"]).parent.name == row["class"] for row in rows)
    interval = wilson_interval(right, len(rows))
    return {
        "images": len(rows),
        "accuracy": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "seconds": seconds,
    }


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--minutes", type=float, default=5, help="for each (default: 5)")
    parser.add_argument("--program", default="vdtransfer", help="an installed one, by its path")
    arguments = parser.parse_args()
    ways: dict[str, Callable[[Path, float, Path], Path]] = {
        "vdtransfer": partial(ours, program=arguments.program),
        "timm script": timm_script,
    }
    print(f"{os.cpu_count()} cores, {arguments.minutes:g} minutes each, from {MODEL}")
    print(f"{'set':14} {'way':12} {'test top-1':>10}   {'95 % interval':15} {'seconds':>7}")
    results: dict[str, dict[str, Row]] = {}
    for name in arguments.sets:
        with TemporaryDirectory() as folder:
            images = Path(folder) / f"{name}_images"
            write_folders(SETS[name](), images)
            for title, way in ways.items():
                row = measured(way, images, arguments.minutes)
                results.setdefault(name, {})[title] = row
                interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
                print(
                    f"{name:14} {title:12} {100 * row['accuracy']:8.2f} %   {interval:15} "
                    f"{row['seconds']:7.0f}",
                    flush=True,
                )
    if arguments.json:
        write_json(arguments.json, {"minutes": arguments.minutes, "results": results})


if __name__ == "__main__":
    main()
