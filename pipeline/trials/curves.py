"""What people watch while a trial is under way: its curve and the load of the machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from pipeline.trials.journal import Journal
from pipeline.trials.store import tracking_uri

SECONDS = 5.0
"""Between two writes, and two looks at the machine: a commit takes longer than some epochs."""
ROWS = 100
"""At most so many rows at once; MLflow takes 1,000 metrics."""


class CurveLog:
    """Writes rows of a curve to a run for people to watch; a context manager.

    The first row is written at once, the last at the end of the block, whatever ends it.
    """

    def __init__(self, journal: Journal, run_id: str) -> None:
        self.journal, self.run_id = journal, run_id
        self.rows: list[Mapping[str, float | int]] = []
        self.last = -float("inf")

    def __enter__(self) -> CurveLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write()

    def add(self, row: Mapping[str, float | int]) -> None:
        self.rows.append(row)
        if time.monotonic() - self.last >= SECONDS or len(self.rows) >= ROWS:
            self._write()

    def _write(self) -> None:
        if self.rows:
            self.journal.log_steps(
                self.run_id,
                {
                    int(row["epoch"]): {
                        **{f"val/{k}": v for k, v in row.items() if k not in _ELSEWHERE},
                        "train/loss": row["train_loss"],
                    }
                    for row in self.rows
                },
            )
        self.rows, self.last = [], time.monotonic()


_ELSEWHERE = ("epoch", "train_loss")


@contextmanager
def system_metrics(run_id: str) -> Iterator[None]:
    """Log the load of the machine to the run during the block."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, sampling_interval=SECONDS, tracking_uri=tracking_uri())
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
