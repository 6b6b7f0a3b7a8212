"""The tables of a cell. What was computed and what differs from run to run stand apart."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.files import write_text, write_yaml
from pipeline.settings.schema import SpaceConfig

POINT = ("lr", "l2_decay", "label_smoothing", "mixup")
TRIALS = (
    "trial",
    *POINT,
    "seed",
    "status",
    "objective",
    "top1",
    "top5",
    "mean_class",
    "loss",
    "train_loss",
    "epoch",
    "key",
)
CURVES = ("trial", "epoch", "train_loss", "loss", "top1", "top5", "mean_class")
RUNS = (
    "trial",
    "key",
    "experiment_id",
    "run_id",
    "replayed",
    "seconds",
    "fit_seconds",
    "device",
    "hardware",
    "threads",
    "host",
    "finished",
)


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep: its number, its point, and what the journal says of it.

    ``result`` is None for a failed trial.
    """

    number: int
    point: Mapping[str, Any]
    seed: int
    key: str
    run_id: str
    replayed: bool
    result: Mapping[str, Any] | None

    @property
    def status(self) -> str:
        return str(self.result["status"]) if self.result else "failed"


def best(trials: Sequence[Trial], space: SpaceConfig) -> Trial | None:
    """The trial with the highest objective; ties: lower validation loss, then the space's order.

    None when no trial finished with a measurement.
    """
    measured = [trial for trial in trials if trial.status == "finished"]

    def rank(trial: Trial) -> tuple[float, float, list[int]]:
        assert trial.result is not None
        order = []
        for name in POINT:
            values = list(getattr(space, name))
            value = trial.point[name]
            order.append(values.index(value) if value in values else len(values))
        return -trial.result["objective"], trial.result["metrics"]["loss"], order

    return min(measured, key=rank, default=None)


def write_trials(folder: Path, trials: Sequence[Trial], experiment_id: str) -> None:
    """``trials.csv``, ``curves.csv`` (equal whenever computed again) and ``runs.csv``.

    ``experiment_id`` is that of the journal.
    """
    computed, curves, runs = [], [], []
    for trial in trials:
        result = trial.result or {}
        metrics = result.get("metrics") or {}
        computed.append(
            {
                "trial": trial.number,
                **trial.point,
                "seed": trial.seed,
                "status": trial.status,
                "objective": result.get("objective"),
                **{name: metrics.get(name) for name in ("top1", "top5", "mean_class", "loss")},
                "train_loss": result.get("train_loss"),
                "epoch": result.get("epoch"),
                "key": trial.key,
            }
        )
        curves += [{"trial": trial.number, **row} for row in result.get("curve", [])]
        runs.append(
            run_row(trial.key, trial.run_id, trial.replayed, result)
            | {"trial": trial.number, "experiment_id": experiment_id}
        )
    write_csv(folder / "trials.csv", TRIALS, computed)
    write_csv(folder / "curves.csv", CURVES, curves)
    write_csv(folder / "runs.csv", RUNS, runs)


def run_row(key: str, run_id: str, replayed: bool, result: Mapping[str, Any]) -> dict[str, Any]:
    """Where a trial stands in the journal and what it cost when it was trained."""
    names = ("seconds", "fit_seconds", "device", "hardware", "threads", "host", "finished")
    return {
        "key": key,
        "run_id": run_id,
        "replayed": replayed,
        **{name: result.get(name) for name in names},
    }


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Floats in shortest round-trip form, booleans as true and false, None as nothing."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    write_text(path, buffer.getvalue())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def write_best(path: Path, trial: Trial, facts: Mapping[str, Any]) -> None:
    """``best.yaml``: the chosen point and everything needed to train it again."""
    assert trial.result is not None
    write_yaml(
        path,
        {
            **facts,
            "trial": trial.number,
            "key": trial.key,
            "point": dict(trial.point),
            "objective": trial.result["objective"],
            "loss": trial.result["metrics"]["loss"],
            "epoch": trial.result["epoch"],
        },
    )
