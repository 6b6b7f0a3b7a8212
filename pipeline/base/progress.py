"""Progress bars, on stderr; a line every 30 s where that is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bytes_bar(description: str, total: int | None, initial: int = 0) -> tqdm:
    """With rate and time left, for whatever moves bytes."""
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
    """The items as they come, counted."""
    return tqdm(items, desc=description, total=total, mininterval=interval())


def interval() -> float:
    """Seconds between two states of a bar."""
    return 0.5 if sys.stderr.isatty() else 30.0
