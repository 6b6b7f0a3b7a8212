"""A training agrees with Paddle as well as Paddle agrees with itself.

Paddle trains a miniature several times with PaddleClas's operators. The starts differ by one unit
in the last place, so the distance between the curves is that of rounding alone. One difference is
known and taken out: torch keeps the unbiased variance in batch norm's running statistics.
"""

import itertools
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.datasets.manifest import Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.settings.schema import Config
from pipeline.training.augment import random_box
from pipeline.training.callbacks import Checkpoint
from pipeline.training.data import EpochOrder, Purpose, split_plan
from pipeline.training.random_streams import generator
from pipeline.training.schedule import Schedule
from pipeline.training.trial import train
from tests.golden.trials import CLASSES, configuration, images
from tests.models.conftest import Golden
from tests.support.stages import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PYTHON = CACHE / "vdtransfer" / "paddle" / "bin" / "python"
RUNS = 3
"""Runs of Paddle; three pairs say how far two of them are apart."""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not PYTHON.exists(), reason="no Paddle: .ci/engines installs it"),
]

Curve = Sequence[dict[str, float]]


def paddle_recipe(**changes: Any) -> Config:
    """The paddle recipe in miniature: two steps of eight images an epoch, at 64 px."""
    recipe = yaml.safe_load((ROOT / "conf" / "recipe" / "paddle.yaml").read_text())
    del recipe["name"]
    recipe |= {"epochs": 4, "batch_size": 8, "image_size": 64, "resize_size": 73}
    return configuration(
        {
            "model": {"arch": "resnet50_vd"},
            "recipe": recipe | changes,
            "protocol": "heldout",
            "precision": "float32",
            "point": {"lr": 0.03, "l2_decay": 0.001, "label_smoothing": True, "mixup": True},
            "seed": 3,
        }
    )


def drawn(cfg: Config, manifest: Manifest, store: PixelStore) -> list[list[dict[str, Any]]]:
    """The draws of every step of every epoch: boxes, flips, and what mixup mixes."""
    rows = manifest.rows(("train",))
    schedule, seed, recipe = Schedule(len(rows), cfg.recipe), cfg.seed, cfg.recipe
    steps: list[list[dict[str, Any]]] = [[] for _ in range(schedule.epochs)]
    for epoch in range(schedule.epochs):
        done = epoch * schedule.steps_per_epoch
        for address in EpochOrder(rows, schedule, seed, lambda done=done: done):
            rng = generator("crop", seed, epoch, address.step)
            draws = []
            for row in address.rows:
                height, width = store.image(int(row)).shape[:2]
                least, most = recipe.crop_scale
                box = random_box(width, height, (least, most), recipe.crop_sampling, rng)
                draws.append({"row": int(row), "box": box, "flip": bool(rng.random() < 0.5)})
            rng = generator("mixup", seed, epoch, address.step)
            lam = float(rng.beta(recipe.mixup_alpha, recipe.mixup_alpha))
            partners = rng.permutation(len(draws)).tolist()
            steps[epoch].append({"draws": draws, "lam": lam, "partners": partners})
    return steps


def in_paddle(folder: Path, cfg: Config, manifest: Manifest, store: PixelStore) -> list[Curve]:
    """Train in Paddle ``RUNS`` times; the first run has the start of ours."""
    recipe, model = cfg.recipe, cfg.model
    plan = {
        "runs": RUNS,
        "classes": CLASSES,
        "labels": manifest.labels.tolist(),
        "rows": manifest.rows(("val",)).tolist(),
        "epochs": drawn(cfg, manifest, store),
        "lr": Schedule(1, recipe).peak(cfg.lr),
        "l2_decay": cfg.l2_decay,
        "momentum": recipe.momentum,
        "smoothing": recipe.smoothing_epsilon,
        "side": recipe.image_size,
        "resize_size": recipe.resize_size,
        "mean": model.mean,
        "std": model.std,
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    pixels = {str(row): store.image(row) for row in range(len(manifest.labels))}
    np.savez(folder / "images.npz", **pixels)
    script = Path(__file__).with_name("paddle_training.py")
    done = subprocess.run(
        [PYTHON, script, folder],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def here(folder: Path, cfg: Config, manifest: Manifest, store: PixelStore) -> Curve:
    result, _ = train(
        cfg,
        split_plan(cfg.protocol, Purpose.SEARCH),
        manifest,
        store,
        folder / "start.pdparams",
        Checkpoint(folder / f"{cfg.recipe.resize}.ckpt"),
    )
    return result.curve


def distance(one: Curve, other: Curve) -> float:
    """The mean power of ten by which two curves differ; rounding grows from step to step."""
    one, other = ([[row["train_loss"], row["loss"]] for row in each] for each in (one, other))
    pairs = np.array(list(zip(one, other, strict=True)))
    smallest = np.finfo(np.float32).eps * np.abs(pairs).max(1)
    return float(np.log10(np.maximum(np.abs(pairs[:, 0] - pairs[:, 1]), smallest)).mean())


def test_curves_differ_no_more_than_those_of_two_paddle_runs(tmp_path: Path) -> None:
    manifest, store = images(tmp_path / "prepared", (17, 12, 1))
    start = Golden().training_arrays()
    start["fc.weight"] = Golden.fill("fc.weight", [2048, CLASSES])
    start["fc.bias"] = np.zeros(CLASSES, "float32")
    np.savez(tmp_path / "start.npz", **start)
    Golden.write(tmp_path / "start.pdparams", start)
    cfg = paddle_recipe()
    paddle = in_paddle(tmp_path, cfg, manifest, store)
    rounding = max(distance(*pair) for pair in itertools.combinations(paddle, 2))
    ours = here(tmp_path, cfg, manifest, store)
    antialiased = here(tmp_path, paddle_recipe(resize="antialias"), manifest, store)
    print(f"curves: {paddle[0]}; ours {ours}")
    apart = {
        "two Paddle runs": rounding,
        "ours": min(distance(ours, run) for run in paddle),
        "ours, antialiased": min(distance(antialiased, run) for run in paddle),
    }
    print(f"powers of ten: {apart}")
    assert apart["ours"] <= rounding < apart["ours, antialiased"]
