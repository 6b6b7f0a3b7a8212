"""The figures PaddleClas published, kept in ``published/`` (see its README for the source)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pipeline.settings.folders import SHARE

TABLE1 = SHARE / "published" / "table1.csv"
TABLE2 = SHARE / "published" / "table2.csv"

STATED_LOSS = (0.0, 0.004)
"""What the text says Bayesian search loses against grid search; its own table has up to 0.0051."""


@dataclass(frozen=True)
class PublishedRow:
    """Top-1 as fractions by strategy, and the number of trials where one is stated."""

    top1: dict[str, float]
    trials: dict[str, int]

    @property
    def loss(self) -> float:
        """What bayes loses against grid."""
        return self.top1["grid"] - self.top1["bayes"]


def table1(path: Path = TABLE1) -> dict[str, PublishedRow]:
    """The eight datasets, ResNet50_vd from the ImageNet weights of 79.12 %, by dataset name."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["dataset"]: PublishedRow(
                top1={s: _fraction(row[f"{s}_top1_percent"]) for s in ("fixed", "grid", "bayes")},
                trials={s: int(row[f"{s}_trials"]) for s in ("grid", "bayes")},
            )
            for row in csv.DictReader(file)
        }


def table2_gains(path: Path = TABLE2) -> tuple[list[float], list[float]]:
    """Large-scale minus ImageNet weights on six private collections: fixed, and after search."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fixed, searched = (
        [float(r[f"large_scale_{how}_top1"]) - float(r[f"imagenet_{how}_top1"]) for r in rows]
        for how in ("fixed", "search")
    )
    return fixed, searched


def _fraction(percent: str) -> float:
    return round(float(percent) / 100, 6)
