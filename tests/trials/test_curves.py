"""A curve is written to its run at intervals, each row once, while training goes on."""

import threading
from types import SimpleNamespace

import pytest

from pipeline.trials import curves
from pipeline.trials.curves import SECONDS, CurveLog


class Runs:
    """A journal that keeps the epochs of each write, and writes only while it is ``open``."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.lost: Exception | None = None

    def log_steps(self, _run_id: str, steps: dict[int, dict[str, float]]) -> None:
        assert self.open.wait(60)
        if self.lost:
            raise self.lost
        self.writes.append(list(steps))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the clock, in a list."""
    time = [0.0]
    monkeypatch.setattr(curves, "time", SimpleNamespace(monotonic=lambda: time[0]))
    return time


def write(log: CurveLog, now: list[float], times: list[float]) -> None:
    for epoch, now[0] in enumerate(times, 1):
        log.add({"epoch": epoch, "train_loss": 1.0, "top1": 0.5})


def test_rows_are_written_at_once_at_intervals_and_at_the_end(now: list[float]) -> None:
    runs = Runs()
    log = CurveLog(runs, "run")  # type: ignore[arg-type]
    write(log, now, [0.1, 0.2, 0.3, SECONDS + 0.1, SECONDS + 1, SECONDS + 2])
    log.close()
    assert runs.writes == [[1], [2, 3, 4], [5, 6]]


def test_training_does_not_wait_for_a_locked_journal(now: list[float]) -> None:
    runs = Runs()
    runs.open.clear()
    log = CurveLog(runs, "run")  # type: ignore[arg-type]
    write(log, now, [0.1, 0.2, 0.3])
    assert runs.writes == []
    runs.open.set()
    log.close()
    assert runs.writes == [[1], [2, 3]]


def test_a_write_that_fails_is_raised(now: list[float]) -> None:
    runs = Runs()
    runs.lost = OSError("the journal is gone")
    log = CurveLog(runs, "run")  # type: ignore[arg-type]
    write(log, now, [0.1])
    with pytest.raises(OSError, match="gone"):
        write(log, now, [SECONDS + 0.1])
    with pytest.raises(OSError, match="gone"):
        log.close()
