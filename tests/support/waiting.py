"""Wait for what other processes do, however busy the machine is."""

import time
from collections.abc import Callable

SECONDS = 1200.0
"""Many times what anything takes here: only what never happens lasts so long."""


def until(
    condition: Callable[[], object],
    state: Callable[[], object] = lambda: "",
    *,
    pause: float = 0.1,
) -> None:
    """Return when ``condition()`` is true; look at it every ``pause`` seconds.

    Raises AssertionError with ``state()`` when that does not happen in ``SECONDS``.
    """
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"nothing in {SECONDS:.0f} s\n{state()}"
        time.sleep(pause)
