"""Resize images without antialiasing, in whole numbers, as OpenCV's bilinear resize does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 11
"""Weights are multiples of 1/2048, as in OpenCV (INTER_RESIZE_COEF_BITS)."""


class Taps(NamedTuple):
    """The two source pixels of each output pixel along one axis, and the second one's weight."""

    first: NDArray[np.int64]
    """Indices into the source axis, [n]."""
    second: NDArray[np.int64]
    weight: NDArray[np.int32]
    """Weights of ``second`` in 1/2048, [n]; ``first`` has the rest."""


def taps(source: int, target: int, start: int = 0, count: int | None = None) -> Taps:
    """Compute the taps of a resize from ``source`` to ``target`` pixels.

    The result covers ``count`` output pixels from ``start`` (by default all). Pixel centres are at
    half-integers, and border pixels are repeated. Only whole numbers are used, so the result does
    not depend on the machine.
    """
    place = np.arange(start, start + (target if count is None else count), dtype=np.int64)
    position = (2 * place + 1) * source - target  # in 1 / (2 * target) pixels
    whole, rest = np.divmod(position, 2 * target)
    weight = ((rest << (BITS + 1)) + 2 * target) // (4 * target)
    inside = (whole >= 0) & (whole < source - 1)
    first = np.clip(whole, 0, source - 1)
    weight = np.where(inside, weight, 0).astype(np.int32)
    return Taps(first, np.minimum(first + 1, source - 1), weight)


def resample(image: NDArray[np.uint8], rows: Taps, columns: Taps) -> NDArray[np.uint8]:
    """Resize an [H, W, C] image to [len(rows), len(columns), C], rounding half up once."""
    right = columns.weight[:, None]
    left = (1 << BITS) - right
    below = rows.weight[:, None, None]
    above = (1 << BITS) - below

    def along_columns(lines: NDArray[np.int64]) -> NDArray[np.int32]:
        line = image[lines]
        mixed: NDArray[np.int32] = line[:, columns.first] * left + line[:, columns.second] * right
        return mixed

    total = along_columns(rows.first) * above + along_columns(rows.second) * below
    return ((total + (1 << (2 * BITS - 1))) >> (2 * BITS)).astype(np.uint8)
