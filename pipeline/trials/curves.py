"""Log what people watch while a trial runs: its curve and the load of the machine."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pipeline.trials.journal import Journal
from pipeline.trials.store import tracking_uri

SECONDS = 5.0
"""Minimum seconds between writes (a database commit can take longer than an epoch); also the
sampling interval of the system metrics."""
ROWS = 100
"""Maximum number of rows in one write; MLflow accepts 1,000 metrics per request."""


class CurveLog:
    """Writes the rows of a learning curve to an MLflow run, the first one at once.

    Close it at the end, also after an exception: it keeps rows for a while.
    """

    def __init__(self, journal: Journal, run_id: str) -> None:
        self.journal, self.run_id = journal, run_id
        self.rows: list[Mapping[str, float | int]] = []
        self.last = -float("inf")

    def add(self, row: Mapping[str, float | int]) -> None:
        self.rows.append(row)
        if time.monotonic() - self.last >= SECONDS or len(self.rows) >= ROWS:
            self.close()

    def close(self) -> None:
        """Write the rows that are left."""
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
    """Log the machine's load to a run while the block runs."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, sampling_interval=SECONDS, tracking_uri=tracking_uri())
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
