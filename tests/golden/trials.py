"""Compute the numbers of a golden trial, on one thread."""

import contextlib
import csv
import io
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.datasets.decoding import Decoding
from pipeline.datasets.manifest import PIXELS, SCHEMA, Manifest
from pipeline.datasets.pixels import PixelStore, Stored, write_store
from pipeline.settings.schema import Config, ModelConfig, RecipeConfig
from pipeline.training.callbacks import Checkpoint, Record
from pipeline.training.data import Purpose, split_plan
from pipeline.training.final_output import predictions
from pipeline.training.trial import FinalOutput, Result, train
from pipeline.trials.simulated import simulate
from tests.golden.cases import Case
from tests.golden.weights import small_weights, summary

CLASSES = 7
SIZES = ((76, 76), (72, 100), (90, 80), (72, 180), (200, 72))
"""Heights and widths of the images in turn; the long ones have no room for many crops."""
IMAGES = {"small": (21, 34, 35), "many": (210, 10, 10), "uneven": (21, 34, 35)}
"""Counts of train, val and test; more than a batch of PaddleClas's 32 are measured in ``small``."""


class DiedError(Exception):
    """Stands for the end of the process: nothing after it is written."""


class Golden:
    """The images and weights of the golden trials, made once in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._images: dict[str, tuple[Manifest, PixelStore]] = {}
        self._runs = 0

    def numbers(self, case: Case) -> dict[str, Any]:
        """Train ``case`` and return its numbers as plain data, what it cost left out."""
        manifest, store = self._data(case["images"])
        cfg = configuration(case)
        if rows := case.get("simulated"):
            cfg = _with_table(cfg, rows, self._folder() / "trials.csv")
            plan = split_plan(cfg.protocol, Purpose.SEARCH)
            return _plain(simulate(cfg, manifest, plan, lambda _: None), None, manifest)
        trial = _Trial(case, cfg, manifest, self._folder() / "checkpoint.ckpt", self._weights(case))
        if case["interrupted"] == "epoch":
            trial.die_in_the_second_epoch(store)
        elif case["interrupted"] == "step":
            trial.stop_after_the_third_step(store)
        return _plain(*trial.train(store), manifest)

    def _data(self, name: str) -> tuple[Manifest, PixelStore]:
        if name not in self._images:
            self._images[name] = images(self.folder / name, IMAGES[name], name == "uneven")
        return self._images[name]

    def _weights(self, case: Case) -> Path | None:
        return small_weights(self.folder, case["weights"]) if case["weights"] else None

    def _folder(self) -> Path:
        self._runs += 1
        folder = self.folder / f"trial-{self._runs}"
        folder.mkdir()
        return folder


def recipe_of(values: dict[str, Any]) -> RecipeConfig:
    """Build the recipe with ``values``; what the schema does not know any more is left out."""
    known = {name: value for name, value in values.items() if name in RecipeConfig.model_fields}
    return RecipeConfig(name="golden", **known)


def model_of(values: dict[str, Any]) -> ModelConfig:
    return ModelConfig(name="golden", title="", weights="none", **values)


def configuration(case: Case) -> Config:
    """Build the configuration of a golden trial without any file."""
    point = case["point"]
    return Config.model_validate(
        {
            "project": "golden",
            "root": ".",
            "title": "Golden trials",
            "dataset": {"name": "golden", "title": "Golden", "reader": "digits"},
            "model": model_of(case["model"]),
            "recipe": recipe_of(case["recipe"]),
            "protocol": {"name": case["protocol"]},
            "strategy": {"name": "fixed"},
            "datasets": ["golden"],
            "models": ["golden"],
            "strategies": ["fixed"],
            "space": {name: [value] for name, value in point.items()},
            "seed": case["seed"],
            "machine": {"precision": case["precision"], "device": "cpu", "threads": 1},
            "objective": case.get("objective", "top1"),
            **point,
        }
    )


def images(
    prepared: Path, counts: tuple[int, int, int], uneven: bool = False
) -> tuple[Manifest, PixelStore]:
    """Prepare patterns that follow from whole numbers alone; val and test lack the last class.

    ``uneven`` classes have 3, 6, 6, 0, 6, 0 and 0 training images.
    """
    splits = [
        name
        for name, count in zip(("train", "val", "test"), counts, strict=True)
        for _ in range(count)
    ]
    labels = [n % (CLASSES if split == "train" else CLASSES - 1) for n, split in enumerate(splits)]
    if uneven:
        labels = [n * n % CLASSES if n < counts[0] else label for n, label in enumerate(labels)]
    sources = [_picture(n, label) for n, label in enumerate(labels)]
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        placed, pixels = write_store(sources, prepared / PIXELS, Decoding(72), workers=1, title="")
    stored = [asdict(each) for each in placed if isinstance(each, Stored)]
    table = pa.table(
        {
            "path": [f"{n * 89 % len(labels):04d}.png" for n in range(len(labels))],
            "label": labels,
            "class_name": [f"class {label}" for label in labels],
            "split": splits,
            **{name: [each[name] for each in stored] for name in stored[0]},
        }
    ).select(SCHEMA.names)
    Manifest.of(table, [f"class {n}" for n in range(CLASSES)], pixels).write(prepared)
    manifest = Manifest.load(prepared)
    return manifest, PixelStore(prepared / PIXELS, manifest)


def _picture(number: int, label: int) -> np.ndarray:
    height, width = SIZES[number % len(SIZES)]
    y, x, channel = np.ogrid[:height, :width, :3]
    slope = x * (2 + label) + y * (9 - label) + 60 * channel + 11 * number
    return np.abs(slope % 510 - 255).astype(np.uint8)


class _Trial:
    """One case, its checkpoint and what ends it early."""

    def __init__(
        self, case: Case, cfg: Config, manifest: Manifest, checkpoint: Path, weights: Path | None
    ) -> None:
        self.case, self.cfg, self.manifest = case, cfg, manifest
        self.checkpoint, self.weights = checkpoint, weights

    def train(self, store: Any, record: Any = lambda _: None) -> tuple[Result, FinalOutput | None]:
        return train(
            self.cfg,
            split_plan(self.cfg.protocol, Purpose(self.case["purpose"])),
            self.manifest,
            store,
            self.weights,
            Checkpoint(self.checkpoint, seconds=0 if self.case["interrupted"] else 1e9),
            [Record(record)],
        )

    def die_in_the_second_epoch(self, store: PixelStore) -> None:
        def record(row: dict[str, float]) -> None:
            if row["epoch"] == 2:  # before the checkpoint of that epoch
                raise DiedError

        with contextlib.suppress(DiedError):
            self.train(store, record)
        assert self.checkpoint.exists()

    def stop_after_the_third_step(self, store: PixelStore) -> None:
        measured = len(self.manifest.rows(("val",)))
        with _sigterm_survived(), contextlib.suppress(KeyboardInterrupt):
            self.train(_Terminating(store, image=2 * 8 + measured + 3))
        assert self.checkpoint.exists()


class _Terminating:
    """A pixel store that sends its process a SIGTERM when it is asked for an image."""

    def __init__(self, store: PixelStore, image: int) -> None:
        self.store, self.left = store, image

    def size(self, row: int) -> tuple[int, int]:
        return self.store.size(row)

    def image(self, row: int) -> np.ndarray:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)
        return self.store.image(row)


@contextlib.contextmanager
def _sigterm_survived() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


def _with_table(cfg: Config, rows: list[list[Any]], path: Path) -> Config:
    point = cfg.point.model_dump()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*point, "status", "objective", "loss"])
        writer.writerows([[*(str(v).lower() for v in point.values()), *row] for row in rows])
    return cfg.model_copy(
        update={"machine": cfg.machine.model_copy(update={"simulate": str(path)})}
    )


def _plain(result: Result, final: FinalOutput | None, manifest: Manifest) -> dict[str, Any]:
    numbers = {k: v for k, v in asdict(result).items() if k not in ("seconds", "fit_seconds")}
    if final is not None:
        numbers["logits"] = final.logits.tolist()
        numbers["weights"] = summary(final.state)
        numbers["predictions"] = predictions(manifest, final.logits).slice(0, 5).to_pydict()
    return numbers
