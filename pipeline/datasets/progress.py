"""The progress bar of everything that moves bytes."""

from __future__ import annotations

import sys

from tqdm import tqdm


def bytes_bar(description: str, total: int | None, initial: int = 0) -> tqdm:
    """A bar with rate and time left, on stderr; a line every 30 s where that is no terminal."""
    return tqdm(
        desc=description,
        total=total,
        initial=initial,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        mininterval=0.5 if sys.stderr.isatty() else 30.0,
    )
