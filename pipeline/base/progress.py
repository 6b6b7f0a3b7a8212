"""Show progress bars on stderr; without a terminal, print a line every 30 s instead."""

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

_SECONDS = 30.0
"""Between two lines where there is no terminal. What is done sooner prints none."""


def bytes_bar(description: str, total: int | None, initial: int = 0) -> tqdm:
    """Return a progress bar for bytes, with rate and time left."""
    shown = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, **_where()}
    return tqdm(desc=description, total=total, initial=initial, **shown)


def images_bar(description: str, total: int, *, disable: bool = False, leave: bool = True) -> tqdm:
    """Return a progress bar for images."""
    return tqdm(
        desc=description, total=total, unit="image", disable=disable, leave=leave, **_where()
    )


def counted(items: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Yield the items and show how many have passed."""
    return tqdm(items, desc=description, total=total, **_where())


def _where() -> dict[str, Any]:
    if sys.stderr.isatty():
        return {"mininterval": 0.5}
    # Without maxinterval, tqdm's monitor prints the bar again after 10 s.
    intervals = dict.fromkeys(("mininterval", "maxinterval", "delay"), _SECONDS)
    return {**intervals, "file": _Lines(), "ncols": 80}


class _Lines:
    """Prints the states of a bar to stderr, each on its own line instead of over the last one."""

    def write(self, text: str) -> None:
        if state := text.strip():
            sys.stderr.write(f"{state}\n")

    def flush(self) -> None:
        sys.stderr.flush()
