"""Compare pretrained EfficientNet-Lite0 with ResNet50_vd from a random start, epoch by epoch.

Uses the handwritten digits, recipe and learning rates of the quickstart, at its 32 px and larger
sizes. Prints the top-1 on validation after every epoch, as a mean over seeds.

Run: python benchmarks/pretrained.py [--sizes PX ...] [--seeds N ...] [--json PATH]     (minutes)
"""

import itertools
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tqdm import tqdm

from grid import trained
from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.manifest import PIXELS, Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.models.weights import locate
from pipeline.prepare import prepare
from pipeline.settings.compose import compose
from pipeline.settings.folders import weights_dir
from pipeline.settings.schema import Config
from pipeline.training.data import SplitPlan

QUICKSTART = Path("quickstart")
MODELS = ("efficientnet_lite0", "resnet50_vd_random")
PLAN = SplitPlan(("train",), measure="val", predict=None)


def curve(cfg: Config, manifest: Manifest, store: PixelStore) -> list[float]:
    """Return the top-1 on validation after each epoch."""
    weights = locate(cfg.model, weights_dir())
    result, _ = trained(cfg, PLAN, manifest, store, weights.path if weights else None)
    return [row["top1"] for row in result.curve]


def curves(sizes: list[int], seeds: list[int]) -> list[dict[str, Any]]:
    """Return a curve per seed for each model, size in pixels and learning rate."""
    results = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        cfg = compose(QUICKSTART)
        prepare(cfg.dataset, Archives.of("digits"), folder, workers=1)
        manifest = Manifest.load(folder)
        store = PixelStore(folder / PIXELS, manifest)
        cases = list(itertools.product(sizes, cfg.space.lr, MODELS))
        for size, lr, model in tqdm(cases, desc="cases"):
            given = [f"model={model}", f"lr={lr}"]
            given += [f"recipe.image_size={size}", f"recipe.resize_size={size}"]
            each = [
                curve(compose(QUICKSTART, [*given, f"seed={seed}"]), manifest, store)
                for seed in seeds
            ]
            results.append({"size": size, "lr": lr, "model": model, "seeds": seeds, "top1": each})
    return results


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64], help="pixels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    given = parser.parse_args()
    logging.disable(logging.INFO)
    cases = curves(given.sizes, given.seeds)
    print(f"{'px':>3}{'lr':>6}  {'model':20}top-1 on validation after each epoch")
    for case in cases:
        means = "".join(f"{100 * mean:8.1f}" for mean in np.mean(case["top1"], axis=0))
        print(f"{case['size']:>3}{case['lr']:>6}  {case['model']:20}{means}")
    if given.json:
        write_json(given.json, cases)


if __name__ == "__main__":
    main()
