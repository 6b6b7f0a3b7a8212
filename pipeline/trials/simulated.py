"""Simulate a trial: sleep, then report the results of its point from a table of finished trials.

Use it to try launchers and faults, and to measure the cost of everything around a trial. Simulated
trials have their own keys, so a simulated result is never taken for a measured one.
"""

import csv
import hashlib
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import Manifest
from pipeline.settings.point import HYPERPARAMETERS
from pipeline.settings.schema import Config
from pipeline.training.callbacks import EpochRecord
from pipeline.training.data import SplitPlan
from pipeline.training.objectives import objective_of
from pipeline.training.schedule import Schedule
from pipeline.training.trial import Result

_COLUMNS = (*HYPERPARAMETERS, "status", "objective", "loss")
_Key = tuple[float, ...]


def table_digest(cfg: Config) -> str | None:
    """Return a digest of the table and of the time to sleep; None unless trials are simulated."""
    if cfg.machine.simulate is None:
        return None
    digest = hashlib.sha256(_existing(cfg.machine.simulate).read_bytes())
    digest.update(repr(cfg.machine.simulate_seconds).encode())
    return digest.hexdigest()


def simulate(cfg: Config, manifest: Manifest, plan: SplitPlan, record: EpochRecord) -> Result:
    """Sleep ``machine.simulate_seconds``, divided among the epochs, and report the table's results.

    Every epoch reports the same values. Raises UserError for a point that is not in the table or
    failed there, and for an objective that the table does not have.
    """
    begin = time.monotonic()
    assert cfg.machine.simulate is not None
    path = _existing(cfg.machine.simulate)
    table = _table(path.resolve(), path.stat().st_mtime_ns)
    key = _key(cfg.point.model_dump())
    if key not in table:
        raise UserError(
            f"machine.simulate: {cfg.machine.simulate} has no figures of {cfg.point.model_dump()}"
        )
    recorded = table[key]
    if recorded is None:
        time.sleep(cfg.machine.simulate_seconds)
        seconds = time.monotonic() - begin
        return Result("diverged", 0.0, 0, None, None, [], seconds, seconds)
    if cfg.objective not in recorded:
        raise UserError(
            f"objective: found {cfg.objective!r}, but {cfg.machine.simulate} has no such column"
        )
    epochs = Schedule(len(manifest.rows(plan.train)), cfg.recipe).epochs
    curve = []
    for epoch in range(1, epochs + 1):
        time.sleep(cfg.machine.simulate_seconds / epochs)
        row: dict[str, float | int] = {"epoch": epoch, "train_loss": recorded["loss"], **recorded}
        record(row)
        curve.append(row)
    seconds = time.monotonic() - begin
    metrics: dict[str, Any] = dict(recorded)
    value = objective_of(cfg.objective, recorded)
    return Result("finished", value, epochs, recorded["loss"], metrics, curve, seconds, seconds)


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UserError(f"machine.simulate: there is no table {path}; give a trials.csv")
    return path


@lru_cache(maxsize=2)
def _table(path: Path, _written: int) -> dict[_Key, dict[str, float] | None]:
    """Read the results of each point; None for one that diverged.

    Raises UserError when the table lacks columns.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        absent = [name for name in _COLUMNS if name not in (reader.fieldnames or [])]
        if absent:
            raise UserError(f"machine.simulate: {path} lacks the columns {', '.join(absent)}")
        rows = [row for row in reader if row["status"] != "failed"]
    return {
        _key({name: _number(row[name]) for name in HYPERPARAMETERS}): None
        if row["status"] == "diverged"
        else _metrics(row)
        for row in rows
    }


def _metrics(row: dict[str, str]) -> dict[str, float]:
    """Read the metrics of a point; a table without the column top1 has top-1 as its objective."""
    metrics = {"top1": float(row.get("top1") or row["objective"]), "loss": float(row["loss"])}
    if row.get("mean_class"):
        metrics["mean_class"] = float(row["mean_class"])
    return metrics


def _number(text: str) -> float:
    return float(text == "true") if text in ("false", "true") else float(text)


def _key(point: dict[str, Any]) -> _Key:
    return tuple(float(point[name]) for name in HYPERPARAMETERS)
