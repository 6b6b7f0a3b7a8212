"""Find what the trials of one process need: prepared data, weights and the machine."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import MANIFEST, Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.models.architecture import describe
from pipeline.models.weights import WeightsFile, locate
from pipeline.settings.accelerators import capability
from pipeline.settings.folders import prepared_dir, weights_dir
from pipeline.settings.schema import Config
from pipeline.training.devices import resolve_precision, resolved
from pipeline.trials.identity import Environment, versions
from pipeline.trials.simulated import table_digest

_ENLARGED = 8
"""Images are doubtful if training enlarges them more than this many times."""


@dataclass(frozen=True)
class Resources:
    """The data, weights and machine that all trials of one process share."""

    manifest: Manifest
    store: PixelStore
    weights: WeightsFile | None
    environment: Environment

    def doubts(self, cfg: Config) -> list[str]:
        """Name each setting that trains otherwise than it seems to, given data and machine."""
        doubts = []
        rows = self.manifest.rows(["train"])
        images = len(rows)
        if cfg.recipe.batch_size > images:
            doubts.append(
                f"recipe.batch_size: found {cfg.recipe.batch_size}, but there are {images} images "
                "to train on: the learning rate grows with batch_size, but a step cannot see more "
                "images"
            )
        steps, epoch = cfg.recipe.steps, max(1, images // cfg.recipe.batch_size)
        if steps is not None and cfg.recipe.warmup_epochs * epoch > steps:
            doubts.append(
                f"recipe.warmup_epochs: found {cfg.recipe.warmup_epochs:g}, more than recipe.steps="
                f"{steps} ({steps / epoch:.1f} epochs): training ends within the warm-up"
            )
        sides = np.minimum(self.manifest.column("height"), self.manifest.column("width"))
        side = int(np.median(sides[rows]))
        if cfg.recipe.resize_size > _ENLARGED * side:
            doubts.append(
                f"recipe.resize_size: found {cfg.recipe.resize_size}, but half of the images have "
                f"a short side of {side} px or less (dataset.store_side: "
                f"{cfg.dataset.store_side}): enlarged so much they show nothing new. Lower "
                "recipe.image_size and resize_size; 224 and 256 are common for photographs"
            )
        device = self.environment.device
        if (cfg.machine.device, device) == ("auto", "cpu") and capability():
            doubts.append(
                "machine.device: this machine has an accelerator that the installed torch "
                f"{versions()['torch']} cannot use: trials run on the processor"
            )
        if cfg.machine.precision == "bf16" and resolve_precision("auto", device) != "bf16":
            doubts.append(
                f"machine.precision: found bf16, which this machine's {device} only imitates: "
                "training takes longer than in float32"
            )
        return doubts


def find_resources(cfg: Config) -> Resources:
    """Find what a trial of ``cfg`` needs. Raises UserError when data or weights are missing."""
    _require_store(cfg)
    describe(cfg.model.arch)  # raises for a network that no trial could make
    folder = prepared_dir(cfg.dataset.name)
    written = folder / MANIFEST
    manifest = _manifest(folder, written.stat().st_mtime_ns if written.exists() else 0)
    weights = locate(cfg.model, weights_dir())
    machine = resolved(cfg.machine)
    environment = Environment(
        data_digest=manifest.digest,
        weights_digest=weights.sha256 if weights else "none",
        precision=machine.precision,
        device=machine.device,
        threads=machine.threads,
        simulated=table_digest(cfg),
    )
    return Resources(manifest, PixelStore(folder / "pixels.bin", manifest), weights, environment)


def _require_store(cfg: Config) -> None:
    """Raise UserError when the recipe needs more pixels than the dataset's store keeps."""
    kept, recipe = cfg.dataset.store_side, cfg.recipe
    if kept == "original":
        return
    if recipe.resize == "opencv":
        raise UserError(
            f"recipe.resize: found 'opencv', which cuts from full-size images, but "
            f"dataset.store_side keeps {kept} px. Set dataset.store_side to original and run "
            "prepare again, or set recipe.resize to antialias"
        )
    if recipe.resize_size > kept:
        raise UserError(
            f"recipe.resize_size: found {recipe.resize_size}, but dataset.store_side keeps {kept} "
            f"px. Set dataset.store_side to {recipe.resize_size} or more and run prepare again, or "
            "lower recipe.resize_size"
        )


@lru_cache(maxsize=2)
def _manifest(folder: Path, _written: int) -> Manifest:
    return Manifest.load(folder)
