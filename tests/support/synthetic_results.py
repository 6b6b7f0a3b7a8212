"""Invented results in the files tune and evaluate write. Only for tests: no figure here is real."""

import csv
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipeline.base.statistics import t_interval

POINT_FIELDS = ["lr", "l2_decay", "label_smoothing", "mixup"]
MEASURES = ["top1", "top5", "mean_class", "loss", "train_loss"]
TRIAL_FIELDS = ["trial", *POINT_FIELDS, "seed", "status", "objective", *MEASURES, "epoch", "key"]
CURVE_FIELDS = ["trial", "epoch", "train_loss", "loss", "top1", "top5", "mean_class"]
COST_FIELDS = [
    "replayed",
    "seconds",
    "fit_seconds",
    "device",
    "hardware",
    "threads",
    "host",
    "finished",
]

CALIBRATION = {
    "temperature": 1.25,
    "ece": 0.02,
    "ece_before": 0.05,
    "bins": [
        {"low": 0.6, "high": 2 / 3, "images": 5, "confidence": 0.65, "accuracy": 0.6},
        {"low": 14 / 15, "high": 1.0, "images": 55, "confidence": 0.97, "accuracy": 0.98},
    ],
}


@dataclass(frozen=True)
class Space:
    lr: tuple[float, ...] = (0.1, 0.03, 0.003)
    l2_decay: tuple[float, ...] = (1e-4,)

    def values(self) -> dict[str, list[Any]]:
        flags = [False, True]
        rates, decays = list(self.lr), list(self.l2_decay)
        return {"lr": rates, "l2_decay": decays, "label_smoothing": flags, "mixup": flags}

    def points(self) -> list[dict[str, Any]]:
        names = ("lr", "l2_decay", "label_smoothing", "mixup")
        axes = (self.lr, self.l2_decay, (False, True), (False, True))
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*axes)]


PUBLISHED_SPACE = Space(
    lr=(0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001),
    l2_decay=(1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6),
)


@dataclass(frozen=True)
class Benchmark:
    """What to invent; every figure follows from the names and the point, none from a clock."""

    datasets: tuple[str, ...] = ("digits",)
    models: tuple[str, ...] = ("resnet50_vd",)
    strategies: tuple[str, ...] = ("fixed", "grid", "bayes")
    space: Space = field(default_factory=Space)
    bayes_trials: int = 6
    classes: int = 10
    epochs: int = 4
    seeds: tuple[int, ...] = (0, 1, 2)
    protocol: str = "heldout"
    leaked: int = 0
    unreadable: int = 0
    two_labels: int = 0
    data_notes: tuple[str, ...] = ()

    def write(self, root: Path) -> None:
        for dataset, model, strategy in itertools.product(
            self.datasets, self.models, self.strategies
        ):
            folder = root / "results" / dataset / model / strategy
            self.write_tuned(folder, dataset, model, strategy)
            self.write_evaluated(folder, dataset, model, strategy)

    def chosen(self, dataset: str, strategy: str) -> list[dict[str, Any]]:
        points = self.space.points()
        if strategy == "fixed":
            return [points[-4]]
        if strategy == "grid":
            return points
        rng = random.Random(f"{dataset} {strategy}")
        return rng.sample(points, self.bayes_trials)

    def objective(self, dataset: str, point: dict[str, Any]) -> float:
        rng = random.Random(f"{dataset} {sorted(point.items())}")
        steps = abs(self.space.lr.index(point["lr"]) - 1) + 0.3 * self.space.l2_decay.index(
            point["l2_decay"]
        )
        bonus = 0.01 * point["label_smoothing"] + 0.005 * point["mixup"]
        return round(max(0.05, 0.95 - 0.08 * steps + bonus + rng.uniform(-0.02, 0.02)), 4)

    def write_tuned(self, folder: Path, dataset: str, model: str, strategy: str) -> None:
        trials, curves, runs = [], [], []
        for number, point in enumerate(self.chosen(dataset, strategy)):
            value = self.objective(dataset, point)
            key = f"{hash_of(dataset, model, point):016x}"
            loss = round(1.5 * (1 - value), 4)
            trials.append(
                {**point, "trial": number, "seed": 7, "status": "finished", "objective": value}
                | {"top1": value, "top5": min(1.0, value + 0.04), "mean_class": value - 0.004}
                | {"loss": loss, "train_loss": loss * 0.8, "epoch": self.epochs, "key": key}
            )
            for epoch in range(1, self.epochs + 1):
                share = (epoch / self.epochs) ** 0.3
                curves.append(
                    {"trial": number, "epoch": epoch, "train_loss": loss * (2 - share)}
                    | {"loss": loss * (2.1 - share), "top1": value * share}
                    | {"top5": min(1.0, value * share + 0.04), "mean_class": value * share}
                )
            runs.append(
                {"trial": number, "key": key, "experiment_id": "1", "run_id": f"{key}{key}"}
                | {"replayed": strategy != "grid" and number % 2 == 0}
                | {"seconds": 12.5 + number % 3, "fit_seconds": 11.0, "device": "cpu"}
                | {"hardware": "Synthetic, 2 cores", "threads": 2, "host": "synthetic"}
                | {"finished": f"2026-01-02T03:{number % 60:02d}:05+00:00"}
            )
        best = max(trials, key=lambda row: row["objective"])
        table(folder / "trials.csv", TRIAL_FIELDS, trials)
        table(folder / "curves.csv", CURVE_FIELDS, curves)
        table(folder / "runs.csv", ["trial", "key", "experiment_id", "run_id", *COST_FIELDS], runs)
        (folder / "best.yaml").write_text(
            yaml.safe_dump(
                {"dataset": dataset, "model": model, "strategy": strategy}
                | {"protocol": self.protocol, "trial": best["trial"], "key": best["key"]}
                | {"point": {name: best[name] for name in POINT_FIELDS}}
                | {"objective": best["objective"], "loss": best["loss"]}
                | {"n_trials": len(trials), "space_size": len(self.space.points())}
                | {"seed": 7, "space": None if strategy == "fixed" else self.space.values()}
                | {"data_digest": "d" * 64, "weights_digest": "w" * 64, "code_digest": "c" * 64}
                | {"recipe": {"name": "synthetic", "epochs": self.epochs, "batch_size": 32}}
                | {"machine": {"precision": "float32", "threads": 2}}
                | {"versions": {"torch": "0.0.0-synthetic", "timm": "0.0.0-synthetic"}}
            )
        )

    def write_evaluated(self, folder: Path, dataset: str, model: str, strategy: str) -> None:
        best = yaml.safe_load((folder / "best.yaml").read_text())
        rng = random.Random(f"{dataset} {best['key']}")
        top1 = [round(best["objective"] - rng.uniform(0, 0.02), 4) for _ in self.seeds]
        interval = t_interval(top1)
        names = [f"class {i}" for i in range(self.classes)]
        images = 20
        confusion = [[0] * self.classes for _ in names]
        for i in range(self.classes):
            wrong = rng.randrange(1, 4)
            confusion[i][i] = images - wrong
            confusion[i][(i + 1 + i % 3) % self.classes] += wrong
        heldout = self.protocol == "heldout"
        per_class = [
            {"class": name, "images": images, "top1": confusion[i][i] / images}
            for i, name in enumerate(names)
        ]
        seeds = len(self.seeds)
        if heldout:
            write_predictions(folder / "predictions.parquet", dataset, self.seeds, top1)
        (folder / "final.json").write_text(
            json.dumps(
                {"dataset": dataset, "title": f"Synthetic {dataset}", "model": model}
                | {"model_title": f"Synthetic {model}", "strategy": strategy}
                | {"protocol": self.protocol, "point": best["point"], "seeds": list(self.seeds)}
                | {"keys": [f"final {best['key']} {seed}" for seed in self.seeds]}
                | {"top1": top1, "top5": [min(1.0, v + 0.03) for v in top1]}
                | {"mean_class": [v - 0.003 for v in top1]}
                | {"paddle_batch_mean": top1 if heldout else [None] * seeds}
                | {"loss": [0.2] * seeds, "top1_mean": interval.mean}
                | {"top1_low": interval.low, "top1_high": interval.high}
                | {"images": {"train": 400, "val": 100, "test": images * self.classes}}
                | {"chance": 1 / self.classes, "majority": 1 / self.classes}
                | {"majority_class": names[0], "two_labels": self.two_labels}
                | {"classes": names, "confusion": confusion if heldout else None}
                | {"per_class": per_class if heldout else []}
                | {"data_digest": "d" * 64, "accepted_counts": False}
                | {"leaked": self.leaked, "leaked_groups": self.leaked // 2}
                | {"leaked_test": 0, "leaked_test_groups": 0}
                | {"unreadable": self.unreadable, "data_notes": list(self.data_notes)}
                | {"weights": {"source": "weights.pdparams", "sha256": "w" * 64}}
                | {"calibration": CALIBRATION if heldout else None}
                | {
                    "provenance": {"commit": "0" * 40, "dirty": False, "code_digest": "c" * 64}
                    | {"versions": {"torch": "0.0.0-synthetic"}}
                }
            )
        )
        rows = [
            {"seed": seed, "key": f"final {best['key']} {seed}", "experiment_id": "1"}
            | {"run_id": f"{seed}f{best['key']}"}
            | {"replayed": False, "seconds": 30.0, "fit_seconds": 29.0, "device": "cpu"}
            | {"hardware": "Synthetic, 2 cores", "threads": 2, "host": "synthetic"}
            | {"finished": "2026-01-02T04:00:00+00:00"}
            for seed in self.seeds
        ]
        table(
            folder / "final_runs.csv",
            ["seed", "key", "experiment_id", "run_id", *COST_FIELDS],
            rows,
        )
        openings = [
            {"data_digest": "d" * 64, "key": row["key"], "pipeline": "synthetic"}
            | {"protocol": self.protocol, "recipe": "synthetic", "model": model}
            | {"strategy": strategy, "seed": row["seed"]}
            for row in rows
        ]
        table(folder / "openings.csv", list(openings[0]), openings)


def paddle(benchmark: Benchmark) -> Benchmark:
    """The same cells under PaddleClas's protocol."""
    return replace(benchmark, protocol="paddle")


def write_predictions(
    path: Path, dataset: str, seeds: Sequence[int], top1: Sequence[float], images: int = 5000
) -> None:
    """Predictions with these accuracies; a setting that is better is right on more images."""
    order = np.random.default_rng(len(dataset)).permutation(images)
    tables = []
    for seed, share in zip(seeds, top1, strict=True):
        right = order < round(share * images)
        rng = np.random.default_rng(seed)  # as many answers lost as gained: the accuracy stays
        for answers in (np.flatnonzero(right), np.flatnonzero(~right)):
            right[rng.permutation(answers)[:20]] ^= True
        tables.append(
            pa.table(
                {
                    "seed": [seed] * images,
                    "path": [f"{number}.jpg" for number in range(images)],
                    "label": np.zeros(images, np.int64),
                    "prediction": np.where(right, 0, 1),
                    "probability": np.full(images, 0.9),
                }
            )
        )
    pq.write_table(pa.concat_tables(tables), path)


def hash_of(*parts: object) -> int:
    return random.Random(repr(parts)).getrandbits(64)


def table(path: Path, fields: list[str], rows: list[dict[str, Any]]) -> None:
    def text(value: Any) -> Any:
        return str(value).lower() if isinstance(value, bool) else value

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: text(value) for key, value in row.items()} for row in rows)
