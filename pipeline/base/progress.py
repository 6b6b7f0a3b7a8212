"""Show progress bars on stderr; without a terminal, print a line every 30 s instead."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bytes_bar(description: str, total: int | None, initial: int = 0) -> tqdm:
    """Return a progress bar for bytes, with rate and time left."""
    return tqdm(
        desc=description,
        total=total,
        initial=initial,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        mininterval=interval(),
    )


def counted(items: Iterable[T], description: str, total: int) -> Iterable[T]:
    """Yield the items and show how many have passed."""
    return tqdm(items, desc=description, total=total, mininterval=interval())


def interval() -> float:
    """Return the seconds between two updates of a bar."""
    return 0.5 if sys.stderr.isatty() else 30.0
