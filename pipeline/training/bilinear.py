"""Resize images without antialiasing, to the bytes that OpenCV's bilinear resize gives."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 11
"""Weights are multiples of 1/2048, as in OpenCV (INTER_RESIZE_COEF_BITS)."""


class Taps(NamedTuple):
    """The two source pixels of each output pixel along one axis, and the second one's weight."""

    first: NDArray[np.int64]
    """Indices into the source axis, [n]; the border pixel stands for those beyond it."""
    second: NDArray[np.int64]
    weight: NDArray[np.int32]
    """Weights of ``second`` in 1/2048, [n]; ``first`` has the rest."""


def taps(source: int, target: int, start: int = 0, count: int | None = None) -> Taps:
    """Compute the taps of a resize from ``source`` to ``target`` pixels.

    The result covers ``count`` output pixels from ``start`` (by default all). Pixel centres are at
    half-integers. Positions are rounded to float32 and weights to 1/2048, as in OpenCV; IEEE 754
    fixes every operation, so the result does not depend on the machine.
    """
    place = np.arange(start, start + (target if count is None else count))
    scale = 1 / (target / source)  # OpenCV divides twice
    position = ((place + 0.5) * scale - 0.5).astype(np.float32)
    whole = np.floor(position)
    weight = np.rint((position - whole) * np.float32(1 << BITS)).astype(np.int32)
    first = whole.astype(np.int64)
    return Taps(np.clip(first, 0, source - 1), np.clip(first + 1, 0, source - 1), weight)


def resample(image: NDArray[np.uint8], rows: Taps, columns: Taps) -> NDArray[np.uint8]:
    """Resize an [H, W, C] image to [len(rows), len(columns), C].

    Products are cut off where OpenCV cuts them off (VResizeLinear in its resize.cpp), so the bytes
    are the same.
    """
    right = columns.weight[:, None]
    left = (1 << BITS) - right
    below = rows.weight[:, None, None]
    above = (1 << BITS) - below

    def along_columns(lines: NDArray[np.int64]) -> NDArray[np.int32]:
        line = image[lines]
        mixed: NDArray[np.int32] = line[:, columns.first] * left + line[:, columns.second] * right
        return mixed >> 4

    quarters = ((along_columns(rows.first) * above) >> 16) + (
        (along_columns(rows.second) * below) >> 16
    )
    return ((quarters + 2) >> 2).astype(np.uint8)
