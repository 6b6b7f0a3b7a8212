"""The time limit of a trial, kept even when the trial hangs."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GRACE_SECONDS = 60.0
"""What hangs outside Python, where no exception arrives, loses its process so much later."""


class TrialTooLongError(Exception):
    """The trial passed ``tune.max_trial_seconds``."""


@contextmanager
def time_limit(seconds: float | None, trace: Path) -> Iterator[None]:
    """Raise TrialTooLongError in the block after ``seconds``; None sets no limit.

    A block that does not hear of it ends its process ``GRACE_SECONDS`` later and leaves ``trace``,
    as a crash does; else the file stays empty. Outside the main thread only this last resort is
    there.
    """
    if seconds is None:
        yield
        return

    def late(*_: object) -> None:
        raise TrialTooLongError(f"longer than tune.max_trial_seconds ({seconds:g} s)")

    hears = threading.current_thread() is threading.main_thread()
    trace.parent.mkdir(parents=True, exist_ok=True)
    with trace.open("a") as file:
        faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=file)
        before = signal.signal(signal.SIGALRM, late) if hears else None
        try:
            if hears:
                signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            if hears:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()
