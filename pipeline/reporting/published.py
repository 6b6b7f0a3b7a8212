"""The figures PaddleClas published, kept in ``published/`` (see its README for the source)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

TABLE1 = Path(__file__).resolve().parents[2] / "published" / "table1.csv"

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


def _fraction(percent: str) -> float:
    return round(float(percent) / 100, 6)
