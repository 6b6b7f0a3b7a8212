"""Read the figures that PaddleClas published, from ``published/`` (its README has the source)."""

import csv
from dataclasses import dataclass
from pathlib import Path

from pipeline.settings.folders import SHARE

TABLE1 = SHARE / "published" / "table1.csv"
TABLE2 = SHARE / "published" / "table2.csv"

STATED_LOSS = (0.0, 0.004)
"""Range of Bayesian search's loss against the grid in the published text; its table has 0.0051."""


@dataclass(frozen=True)
class PublishedRow:
    """Top-1 as fractions by strategy, and the number of trials where one is stated."""

    top1: dict[str, float]
    trials: dict[str, int]

    @property
    def loss(self) -> float:
        """The loss of bayes against grid, as a fraction."""
        return self.top1["grid"] - self.top1["bayes"]


def table1(path: Path = TABLE1) -> dict[str, PublishedRow]:
    """Read the first table by dataset: ResNet50_vd from the ImageNet weights of 79.12 %."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["dataset"]: PublishedRow(
                top1={s: _fraction(row[f"{s}_top1_percent"]) for s in ("fixed", "grid", "bayes")},
                trials={s: int(row[f"{s}_trials"]) for s in ("grid", "bayes")},
            )
            for row in csv.DictReader(file)
        }


def table2_gains(path: Path = TABLE2) -> tuple[list[float], list[float]]:
    """Read the second table's gains of large-scale over ImageNet weights, as (fixed, searched).

    Each list has an entry for each of six private collections.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fixed, searched = (
        [float(r[f"large_scale_{how}_top1"]) - float(r[f"imagenet_{how}_top1"]) for r in rows]
        for how in ("fixed", "search")
    )
    return fixed, searched


def _fraction(percent: str) -> float:
    return round(float(percent) / 100, 6)
