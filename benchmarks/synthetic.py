"""Make datasets, and trials on them, for the benchmarks of training.

All files are written below the working directory, as in any stage. So benchmarks first change to
a temporary folder.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from sklearn.datasets import load_sample_images

from pipeline.datasets.listing import Split
from pipeline.datasets.manifest import SCHEMA, Manifest
from pipeline.datasets.pixels import Stored
from pipeline.settings.compose import compose
from pipeline.settings.folders import prepared_dir
from pipeline.settings.schema import Config
from pipeline.training.data import Purpose
from pipeline.trials.contract import Outcome
from pipeline.trials.journal import Journal
from pipeline.trials.run import run

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 10


def write_photographs(folder: Path, count: int, size: tuple[int, int] = (500, 375)) -> list[Path]:
    """Write ``count`` different JPEG files of quality 90 to ``folder/<class>/``, in turns of class.

    Each is a part of one of scikit-learn's two photographs, enlarged to ``size``.
    """
    rng = np.random.default_rng(0)
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    paths = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        side = rng.uniform(0.4, 1.0)
        left, top = (1 - side) * rng.random(2) * photograph.size
        right, bottom = left + side * photograph.width, top + side * photograph.height
        part = photograph.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
        path = folder / f"class{number % CLASSES}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=90)
        paths.append(path)
    return paths


def write_manifest(
    dataset: str,
    stored: Sequence[Stored],
    splits: Sequence[Split],
    pixels_sha256: str,
    classes: int = CLASSES,
) -> None:
    """Write the manifest of images in the dataset's pixel store; classes take turns."""
    names = [f"class{label}" for label in range(classes)]
    rows = [
        {"path": f"{n:06}.jpg", "label": n % classes, "class_name": names[n % classes]}
        | {"split": splits[n], **vars(each)}
        for n, each in enumerate(stored)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    Manifest.of(table, names, pixels_sha256).write(prepared_dir(dataset))


def configured(dataset: str, *overrides: str) -> Config:
    """Return the configuration of a trial of ResNet50_vd from a random start on ``dataset``."""
    chosen = ["dataset=folder", f"dataset.name={dataset}", "dataset.root=.", "machine.device=cpu"]
    return compose(ROOT, [*chosen, "model=resnet50_vd_random", "recipe=quick20", *overrides])


def run_trial(cfg: Config, journal: Journal, number: int) -> Outcome:
    """Train a trial through the journal; each ``number`` has its own learning rate and key."""
    cfg = cfg.model_copy(update={"lr": cfg.lr * (1 + number / 1000)})
    name = f"trial {number}"
    return run(cfg, Purpose.SEARCH, journal, name=name, label=name, parent_id=None, tags={})
