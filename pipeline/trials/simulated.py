"""Simulate a trial: sleep, then report the results of its point from a table of finished trials.

Use it to try launchers and faults, and to measure the cost of everything around a trial. Simulated
trials have their own keys, so a simulated result is never taken for a measured one.
"""

import hashlib
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import Manifest
from pipeline.settings.point import Point
from pipeline.settings.schema import Config
from pipeline.training.callbacks import EpochRecord
from pipeline.training.data import SplitPlan
from pipeline.training.objectives import objective_of
from pipeline.training.schedule import Schedule
from pipeline.training.trial import Result
from pipeline.trials.record_types import Share
from pipeline.trials.tables import read_rows


class _Row(Point):
    """A row of the table."""

    model_config = ConfigDict(extra="ignore", strict=False)

    status: Literal["finished", "diverged", "failed"]
    objective: Share | None
    loss: float | None
    top1: Share | None = None
    """None in a table that has top-1 as its objective."""
    mean_class: Share | None = None

    @model_validator(mode="after")
    def _measured_if_finished(self) -> "_Row":
        if self.status == "finished" and None in (self.objective, self.loss):
            raise ValueError("a finished trial without objective or loss")
        return self

    @property
    def metrics(self) -> dict[str, Any]:
        top1 = self.objective if self.top1 is None else self.top1
        metrics = {"top1": top1, "loss": self.loss, "mean_class": self.mean_class}
        return {name: value for name, value in metrics.items() if value is not None}


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
    if cfg.point not in table:
        raise UserError(
            f"machine.simulate: {cfg.machine.simulate} has no figures of {cfg.point.model_dump()}"
        )
    recorded = table[cfg.point].metrics
    if table[cfg.point].status == "diverged":
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
    value = objective_of(cfg.objective, recorded)
    return Result("finished", value, epochs, recorded["loss"], recorded, curve, seconds, seconds)


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UserError(f"machine.simulate: there is no table {path}; give a trials.csv")
    return path


@lru_cache(maxsize=2)
def _table(path: Path, _written: int) -> dict[Point, _Row]:
    """Read the row of each point. Raises UserError for a table without the needed columns."""
    rows = read_rows(path, _Row, "machine.simulate takes a trials.csv")
    return {row.point: row for row in rows if row.status != "failed"}
