"""Log what people watch while a trial runs: its curve and the load of the machine."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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

    A thread writes, so that training does not wait for a database that is slow or locked. What it
    raises is raised by the next write. Close the log at the end, also after an exception: it keeps
    rows for a while.
    """

    def __init__(self, journal: Journal, run_id: str) -> None:
        self.journal, self.run_id = journal, run_id
        self.rows: list[Mapping[str, float | int]] = []
        self.last = -float("inf")
        self.thread = ThreadPoolExecutor(1)
        self.writing: Future[None] | None = None

    def add(self, row: Mapping[str, float | int]) -> None:
        self.rows.append(row)
        if time.monotonic() - self.last >= SECONDS or len(self.rows) >= ROWS:
            self._write()

    def close(self) -> None:
        """Write the rows that are left, and wait until all are written."""
        with self.thread:
            self._write()
            self._wait()

    def _write(self) -> None:
        self._wait()
        if self.rows:
            steps = {
                int(row["epoch"]): {
                    **{f"val/{k}": v for k, v in row.items() if k not in _ELSEWHERE},
                    "train/loss": row["train_loss"],
                }
                for row in self.rows
            }
            self.writing = self.thread.submit(self.journal.log_steps, self.run_id, steps)
        self.rows, self.last = [], time.monotonic()

    def _wait(self) -> None:
        writing, self.writing = self.writing, None
        if writing is not None:
            writing.result()


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
