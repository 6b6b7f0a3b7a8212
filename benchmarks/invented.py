"""Make the whole benchmark with invented results, to measure the commands that follow training.

The results of trainings and searches are invented, the models are empty and the images have 8 x 8
pixels. The real code records, exports and evaluates them.
"""

import itertools
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import timm
import torch
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf

from pipeline.base.files import write_json, write_yaml
from pipeline.datasets.listing import Split
from pipeline.datasets.manifest import PIXELS, STATS, Manifest
from pipeline.datasets.pixels import Stored
from pipeline.decide import decide
from pipeline.evaluate import evaluate
from pipeline.planning.estimates import expected_images
from pipeline.settings.compose import compose
from pipeline.settings.folders import prepared_dir, raw_dir, results_dir
from pipeline.settings.plain_yaml import read_mapping
from pipeline.settings.schema import Config
from pipeline.training.callbacks import Record
from pipeline.training.data import TEST, Purpose, SplitPlan
from pipeline.training.metrics import measure
from pipeline.training.trial import FinalOutput, Result
from pipeline.trials.contract import Trial
from pipeline.trials.final_parts import Replays
from pipeline.trials.lines import run_name
from pipeline.trials.run import run
from pipeline.trials.sweep import Sweep, opened, tags
from synthetic import ROOT, write_manifest

CODE = ("conf", "pipeline", "plugins", "published")
PIPELINES = ("quickstart", "large_scale", "paddle_protocol")
"""Folders of pipelines that are not run; `dvc status` checks them."""
FILES = ("dvc.yaml", "params.yaml", ".dvcignore")
MODELS = {
    "resnet50_vd_random": "test_resnet",
    "resnet10t_random": "test_byobnet",
    "efficientnet_lite0": "test_efficientnet",
}
"""Names of models, each with the tiny network of timm that takes its place."""
PADDLE = "paddle_protocol"
SIDE = 8
BYTES = 3 * SIDE * SIDE


def made(folder: Path, models: int, paddle: bool) -> None:
    """Make the whole benchmark with so many models in ``folder``; finished cells are kept.

    With ``paddle``, the pipeline of PaddleClas's protocol gets results, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*CODE, *PIPELINES):
        ignored = shutil.ignore_patterns("__pycache__", "results", "report", "dvc.lock")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, dirs_exist_ok=True)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    names = list(MODELS)[:models]
    roots = [Path(), *([Path(PADDLE)] if paddle else [])]
    with chdir(folder):
        for root in roots:
            _set_params(root / "params.yaml", names)
        for dataset in read_mapping(Path("params.yaml"))["datasets"]:
            prepared(compose(Path(), [f"dataset={dataset}"]))
        for root in roots:
            _fill(root, names)


def _set_params(path: Path, models: Sequence[str]) -> None:
    params = read_mapping(path)
    for group in params["defaults"]:
        if isinstance(group, dict) and "recipe" in group:
            group["recipe"] = "quick20"
        if isinstance(group, dict) and "model" in group:
            group["model"] = models[0]
    params |= {
        "models": list(models),
        "recipe": {"image_size": 32, "resize_size": 32},
        "machine": params["machine"] | {"threads": 1, "device": "cpu"},
    }
    write_yaml(path, params)


def _fill(root: Path, models: Sequence[str]) -> None:
    """Invent the results of a pipeline."""
    datasets = read_mapping(root / "params.yaml")["datasets"]
    # The grid comes first, so that the other strategies find their trials in the journal.
    cells = list(itertools.product(datasets, models, ("grid", "fixed", "bayes")))
    for number, (dataset, model, strategy) in enumerate(cells, start=1):
        cfg = compose(root, [*_chosen(dataset, model), f"strategy={strategy}"])
        if not (results_dir(cfg) / "best.yaml").exists():
            print(f"{cfg.project}: cell {number} of {len(cells)}", flush=True)
            with invented():
                tuned(cfg)
        if not (results_dir(cfg) / "final.json").exists():
            with invented():
                evaluate(cfg)
    if root == Path():  # the other pipeline has no such stage
        for dataset, model in itertools.product(datasets, models):
            decide(compose(root, _chosen(dataset, model)))


def _chosen(dataset: str, model: str) -> list[str]:
    tiny = [f"model.arch={MODELS[model]}", "model.weights=none"]
    return [f"dataset={dataset}", f"model={model}", *tiny]


def prepared(cfg: Config) -> None:
    """Write the files that download and prepare leave behind, with grey images."""
    dataset = cfg.dataset
    folder = prepared_dir(dataset.name)
    if (folder / STATS).exists():
        return
    counts = expected_images(dataset).model_dump()
    total = sum(counts.values())
    raw_dir(dataset.name).mkdir(parents=True, exist_ok=True)
    (raw_dir(dataset.name) / "archive").write_text(dataset.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PIXELS).write_bytes(b"\x80" * BYTES * total)
    stored = [Stored("0" * 64, BYTES * number, SIDE, SIDE) for number in range(total)]
    names: list[Split] = ["train", "val", "test"]
    splits = [split for split in names for _ in range(counts[split])]
    classes = dataset.classes
    assert classes is not None
    write_manifest(dataset.name, stored, splits, dataset.name, classes)
    none = ("duplicates", "unreadable", "left_out", "two_labels", "repeated_rows", "dim", "doubts")
    nothing = {**dict.fromkeys(none, ()), "left_out_classes": {}, "repeated_kept": {}}
    shares = {split: {"class0": images // classes} for split, images in counts.items()}
    stats = {
        "classes": [f"class{label}" for label in range(classes)],
        "totals": counts,
        "counts": shares,
        "accepted_counts": False,
    }
    write_json(folder / STATS, stats | nothing)


def tuned(cfg: Config) -> None:
    """Record the sweep of a cell: one point, the whole grid, or random points for a search."""
    points = [point.model_dump() for point in cfg.space.points()]
    if cfg.strategy.name == "fixed":
        points = [cfg.point.model_dump()]
    elif cfg.strategy.name == "bayes":
        points = random.Random(cfg.dataset.name).sample(points, cfg.search.bayes.n_trials)
    with opened(cfg) as sweep:
        sweep.export([trial(cfg.model_copy(update=p), sweep, n) for n, p in enumerate(points)])


def trial(cfg: Config, sweep: Sweep, number: int) -> Trial:
    """Run a trial of a sweep through the journal."""
    name = run_name(number, cfg.point)
    outcome = run(
        cfg,
        Purpose.SEARCH,
        sweep.journal,
        name=name,
        label=name,
        parent_id=sweep.run_id,
        tags={**tags(cfg, Purpose.SEARCH), "trial": str(number)},
    )
    facts = {"key": outcome.key, "run_id": outcome.run_id, "replayed": outcome.shared}
    return Trial(number=number, point=cfg.point, seed=cfg.seed, result=outcome.result, **facts)


@contextmanager
def invented() -> Iterator[None]:
    """Replace trainings, replayed searches and exported models by invented ones in the block."""
    with (
        patch("pipeline.trials.run.train", invented_training),
        patch("pipeline.evaluate.replays", invented_replays),
        patch("pipeline.deployment.final_model.images_of", lambda *_: np.empty(0)),
        patch("pipeline.deployment.final_model.package", invented_model),
        patch("pipeline.evaluate.write_card", lambda *_: None),
        patch("pipeline.evaluate.register_final", lambda *_: "not registered"),
    ):
        yield


def invented_training(
    cfg: Config, plan: SplitPlan, manifest: Manifest, *others: Any
) -> tuple[Result, FinalOutput | None]:
    """Return an invented result of ``train``, the same for the same dataset, point and seed."""
    rng = random.Random(f"{cfg.dataset.name} {cfg.model.arch} {cfg.point} {cfg.seed}")
    away = abs(np.log10(cfg.lr / 0.01)) + 0.2 * abs(np.log10(cfg.l2_decay / 1e-4))
    top = 0.9 - 0.15 * float(away) + 0.01 * cfg.label_smoothing + rng.gauss(0, 0.005)
    seconds = 600 * rng.uniform(0.9, 1.1)
    if plan.predict is not None:
        final = predicted(cfg, manifest, top)
        labels = torch.from_numpy(manifest.labels[manifest.rows(TEST)])
        figures = measure(final.logits, labels)
        per_class = {"per_class": figures.per_class, "confusion": figures.confusion}
        values = {**figures.scalars(), **per_class}
        epochs = cfg.recipe.epochs or 0
        whole = Result("finished", figures.top1, epochs, None, values, [], seconds, seconds)
        return whole, final
    curve = []
    for epoch in range(1, (cfg.recipe.epochs or 0) + 1):
        share = top * (epoch / (cfg.recipe.epochs or 1)) ** 0.2
        row = {"epoch": epoch, "train_loss": 2 - share, "loss": 2.1 - 2 * share, "top1": share}
        row |= {"top5": min(1.0, share + 0.05), "mean_class": share, "paddle_batch_mean": share}
        curve.append(row)
        for each in others[-1]:
            if isinstance(each, Record):
                each.write(row)
    last = {name: value for name, value in curve[-1].items() if name not in ("epoch", "train_loss")}
    last["temperature"] = 1.0
    train_loss = curve[-1]["train_loss"]
    return (
        Result("finished", last["top1"], len(curve), train_loss, last, curve, seconds, seconds),
        None,
    )


def predicted(cfg: Config, manifest: Manifest, top: float) -> FinalOutput:
    """Return logits with an expected top-1 of ``top`` on the test images, and random weights."""
    generator = torch.Generator().manual_seed(cfg.seed)
    labels = torch.from_numpy(manifest.labels[manifest.rows(TEST)])
    classes = len(manifest.class_names)
    logits = torch.randn(len(labels), classes, generator=generator)
    right = torch.rand(len(labels), generator=generator) < top
    wrong = (labels + 1 + torch.randint(3, labels.shape, generator=generator)) % classes
    logits[torch.arange(len(labels)), torch.where(right, labels, wrong)] += 8
    network = timm.create_model(cfg.model.arch, num_classes=classes)
    return FinalOutput(logits, network.state_dict())


def invented_replays(_: Path, options: SkoptSweeperConf) -> Replays:
    rng = np.random.default_rng(0)
    falling = np.sort(rng.uniform(0, 0.05, (100, options.n_trials)))[:, ::-1]
    return Replays(gaps=falling.round(9).tolist())


def invented_model(*arguments: Any) -> np.ndarray:
    """Write a model folder without a model; return the logits of the trained network."""
    measured, folder = arguments[-2:]
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_text("no model")
    logits: np.ndarray = measured.logits
    return logits
