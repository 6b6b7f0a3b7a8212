"""Train the 196 published points on a small real dataset, so that searches can be replayed on it.

Run: python benchmarks/grid.py digits          (or fashion_mnist; put its files in place by hand)
Fine-tunes EfficientNet-Lite0 from its ImageNet weights on one thread. An interrupted run continues:
points already in the table are not trained again. The official test split stays closed: `test` is
measured on an audit split, which is cut from the official training images, stratified, with a fixed
seed.

The published learning rates go to the optimiser as they are, with batches of 32. They are not
scaled down from batches of 256. In 40 steps of 32 the scaled rates hardly move the network, and the
best of the seven would be at the edge.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from pipeline.base.arguments import documented
from pipeline.base.files import write_text
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.models.weights import locate
from pipeline.prepare import prepare
from pipeline.settings.compose import compose
from pipeline.settings.folders import prepared_dir, weights_dir
from pipeline.settings.point import HYPERPARAMETERS, Point
from pipeline.settings.schema import Config, MachineConfig
from pipeline.training.callbacks import Checkpoint, Progress
from pipeline.training.data import SplitPlan
from pipeline.training.random_streams import generator
from pipeline.training.schedule import REFERENCE_BATCH
from pipeline.training.trial import FinalOutput, Result, train
from pipeline.trials.tables import csv_text

GRIDS = Path(__file__).parent / "grids"
SIZES = {"train": 320, "val": 300, "test": 500}
"""Number of images of each split; `test` is the audit split."""
POOL = 2000
PLAN = SplitPlan(("train",), measure="val", predict="test")
Row = dict[str, Any]


def prepared(cfg: Config) -> Path:
    """Prepare the images of the official lists in a folder for the grids; return the folder."""
    name = cfg.dataset.name
    folder = prepared_dir(f"{name}_grid")
    if not (folder / "manifest.parquet").exists():
        limits = {"max_train_images": POOL, "max_val_images": POOL}
        dataset = cfg.dataset.model_copy(update=limits)
        prepare(dataset, Archives.of(name), folder, workers=1)
    return folder


def audited(manifest: Manifest, sizes: Mapping[str, int], seed: int) -> Manifest:
    """Return ``manifest`` with ``sizes`` images of its official training part, stratified.

    The audit images replace the official test split.
    """
    labels = manifest.labels
    splits = np.full(len(labels), "", dtype=object)
    classes = len(manifest.class_names)
    pool = manifest.rows(("train", "val"))
    for label in range(classes):
        rows = generator("audit", seed, label).permutation(pool[labels[pool] == label])
        start = 0
        for split, total in sizes.items():
            share = total // classes
            splits[rows[start : start + share]] = split
            start += share
    keep = np.flatnonzero(splits != "")
    column = manifest.table.schema.get_field_index("split")
    table = manifest.table.set_column(column, "split", pa.array(splits, pa.string()))
    return Manifest.of(table.take(pa.array(keep)), manifest.class_names, manifest.pixels_sha256)


def trained(
    cfg: Config, plan: SplitPlan, manifest: Manifest, store: PixelStore, weights: Path | None
) -> tuple[Result, FinalOutput | None]:
    """Train without a journal, in float32 on one processor thread."""
    machine = MachineConfig(precision="float32", device="cpu", threads=1)
    with TemporaryDirectory() as scratch:
        checkpoint = Checkpoint(Path(scratch) / "checkpoint.ckpt")
        alone = cfg.model_copy(update={"machine": machine})
        return train(alone, plan, manifest, store, weights, checkpoint, [Progress("trial")])


class Training:
    """Train points on the same images of one dataset."""

    def __init__(self, dataset: str, *overrides: str, sizes: Mapping[str, int] = SIZES) -> None:
        options = [f"dataset={dataset}", "model=efficientnet_lite0", "recipe=grid", *overrides]
        self.cfg = compose(Path(), options)
        folder = prepared(self.cfg)
        self._manifest = audited(Manifest.load(folder), sizes, self.cfg.seed)
        # The store reads pixels by offset, so the rows of the new manifest can use the old file.
        self._store = PixelStore(folder / "pixels.bin", self._manifest)
        weights = locate(self.cfg.model, weights_dir())
        assert weights is not None
        self._weights = weights.path

    @property
    def columns(self) -> list[str]:
        """Return the columns of a row."""
        assert self.cfg.recipe.epochs is not None
        curve = [f"top1_epoch{epoch}" for epoch in range(1, self.cfg.recipe.epochs + 1)]
        return [*HYPERPARAMETERS, "status", "objective", "loss", "test", *curve, "seconds"]

    def row(self, point: Point, seed: int | None = None) -> Row:
        """Train and evaluate one point, by default with the seed of the configuration."""
        changes = {**point.model_dump(), "seed": self.cfg.seed if seed is None else seed}
        changes["lr"] *= REFERENCE_BATCH / self.cfg.recipe.batch_size
        cfg = self.cfg.model_copy(update=changes)
        result, final = trained(cfg, PLAN, self._manifest, self._store, self._weights)
        labels = self._manifest.labels[self._manifest.rows(("test",))]
        test = None
        if final is not None:
            test = float((final.logits.argmax(1).numpy() == labels).mean())
        return {
            **point.model_dump(),
            "status": result.status,
            "objective": result.objective,
            "loss": (result.metrics or {}).get("loss"),
            "test": test,
            **{f"top1_epoch{row['epoch']}": row["top1"] for row in result.curve},
            "seconds": round(result.seconds, 3),
        }


def fill(table: Path, columns: list[str], jobs: Sequence[Callable[[], Row]]) -> None:
    """Run the jobs whose rows are not in ``table`` yet, and append their rows."""
    rows: list[Row] = []
    if table.exists():
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
    for job in tqdm(jobs[len(rows) :], desc=table.stem, initial=len(rows), total=len(jobs)):
        rows.append(job())
        lines = [[row.get(column) for column in columns] for row in rows]
        write_text(table, csv_text([columns, *lines]))


def main() -> None:
    arguments = documented(__doc__)
    arguments.add_argument("dataset", choices=("digits", "fashion_mnist"))
    dataset = arguments.parse_args().dataset
    training = Training(dataset)
    jobs = [partial(training.row, point) for point in training.cfg.space.points()]
    fill(GRIDS / f"{dataset}.csv", training.columns, jobs)


if __name__ == "__main__":
    main()
