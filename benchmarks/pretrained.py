"""Pretrained EfficientNet-Lite0 against ResNet50_vd from a random start, epoch by epoch.

With the quickstart's images, recipe and learning rates on handwritten digits; prints the top-1 on
validation after every epoch, a mean over seeds.

Run: python benchmarks/pretrained.py [--seeds N ...] [--json PATH]     (minutes)
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from pipeline.compose import compose
from pipeline.config import Config
from pipeline.datasets.files import write_json
from pipeline.datasets.manifest import PIXELS, Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.datasets.readers.archives import Archives
from pipeline.layout import raw_dir, unpacked_dir, weights_dir
from pipeline.models.weights import locate
from pipeline.prepare import prepare
from pipeline.training.data import SplitPlan
from pipeline.trial import train

QUICKSTART = Path("quickstart")
MODELS = ("efficientnet_lite0", "resnet50_vd_random")
PLAN = SplitPlan(("train",), measure="val", predict=None)


def curve(cfg: Config, manifest: Manifest, store: PixelStore, scratch: Path) -> list[float]:
    """Top-1 on validation after each epoch."""
    weights = locate(cfg.model, weights_dir())
    result, _ = train(
        cfg,
        PLAN,
        manifest,
        store,
        weights.path if weights else None,
        checkpoint=scratch / "checkpoint.ckpt",
        record=lambda row: None,
        label="trial",
        precision="float32",
        device="cpu",
        threads=2,
    )
    return [row["top1"] for row in result.curve]


def curves(seeds: list[int]) -> dict[str, dict[str, list[list[float]]]]:
    """By learning rate and model, a curve per seed."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    with TemporaryDirectory() as name:
        scratch = Path(name)
        cfg = compose(QUICKSTART)
        archives = Archives("digits", raw_dir("digits"), unpacked_dir("digits"))
        prepare(cfg.dataset, archives, scratch, workers=1)
        manifest = Manifest.load(scratch)
        store = PixelStore(scratch / PIXELS, manifest)
        cases = [(lr, model, seed) for lr in cfg.space.lr for model in MODELS for seed in seeds]
        for lr, model, seed in tqdm(cases, desc="fits"):
            trial = compose(QUICKSTART, [f"model={model}", f"lr={lr}", f"seed={seed}"])
            of_rate = found.setdefault(str(lr), {})
            of_rate.setdefault(model, []).append(curve(trial, manifest, store, scratch))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    logging.disable(logging.INFO)
    found = curves(given.seeds)
    print(f"{'lr':>5}  {'model':20}top-1 on validation after each epoch")
    for lr, models in found.items():
        for model, each in models.items():
            means = "".join(f"{100 * mean:8.1f}" for mean in np.mean(each, axis=0))
            print(f"{lr:>5}  {model:20}{means}")
    if given.json:
        write_json(given.json, found)


if __name__ == "__main__":
    main()
