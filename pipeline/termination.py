"""SIGTERM, which a scheduler sends some seconds before it kills: stop where work is not lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def interrupt(*_: object) -> None:
    """A handler for SIGTERM: the same as Ctrl-C."""
    raise KeyboardInterrupt


@contextmanager
def finishing() -> Iterator[None]:
    """Put a SIGTERM off to the end of the block; a second one is not put off.

    Lightning hears of it all the same: a trial in training writes a checkpoint and stops.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = 0

    def put_off(*_: object) -> None:
        nonlocal received
        received += 1
        if received > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, put_off)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if received:
        signal.raise_signal(signal.SIGTERM)
