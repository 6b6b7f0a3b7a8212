"""Cut and resize crops as integer tensor operations on any device, byte for byte as the host does.

This is the definition of a crop on a device. ``antialias`` repeats the arithmetic of Pillow 13
(ImagingResample of 8-bit images): float64 coefficients, rounded to 22 bits; one axis is rounded to
bytes before the other one is summed. ``opencv`` repeats :mod:`pipeline.training.bilinear`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.training import bilinear
from pipeline.training.augment import Resize

BITS = 22
"""A coefficient of Pillow is a multiple of 2^-22."""
CHUNK_BYTES = 2**28
"""Maximum memory for the sums of the images that are resized at once."""


class Place(NamedTuple):
    """Where a crop comes from; a batch of crops is an int64 array [N, 9] of such rows."""

    base: int
    """Index of the box's first pixel in the flat pixels."""
    stride: int
    """Pixels from one line of the image to the next."""
    width: int
    """Size of the box."""
    height: int
    target_width: int
    """Size that the box is resized to."""
    target_height: int
    left: int
    """First pixel of the crop in the resized box."""
    top: int
    flip: int


class Axis(NamedTuple):
    """The source pixels (taps) of each output pixel along one axis of each image.

    An index outside the box stands for the pixel at its border.
    """

    length: Tensor
    """Pixels of the box, int64 [N]."""
    first: Tensor
    """Index of the first tap within the box, int64 [N, size]."""
    weights: Tensor
    """Weights of this tap and the following ones, int32 [N, size, taps]."""

    def tap(self, number: int) -> Tensor:
        """Return the index of each output pixel's tap of this number, int64 [N, size]."""
        last = self.length[:, None] - 1
        return torch.minimum((self.first + number).clamp(min=0), last)


class Rounding(NamedTuple):
    """The number of bits that are dropped in each step on the way from sums to bytes."""

    half: int
    """Added to the sum over the inner axis, so that dropping its bits rounds it."""
    inner: int
    """Bits dropped from that sum."""
    product: int
    """Bits dropped from each product of such a sum with a weight of the outer axis."""
    outer: int
    """Bits dropped from the sum of these products, which is rounded to the nearest."""


ROUNDING: dict[Resize, Rounding] = {
    "antialias": Rounding(half=1 << (BITS - 1), inner=BITS, product=0, outer=BITS),
    "opencv": Rounding(half=0, inner=4, product=16, outer=2),
}


MakeAxis = Callable[[Tensor, Tensor, Tensor, int, int], Axis]


class Plan(NamedTuple):
    """A batch of crops on a device, ready to be summed: the inner axis first, then the outer."""

    base: Tensor
    inner_step: Tensor
    """Pixels from one tap of the inner axis to the next, int64 [N]."""
    outer_step: Tensor
    inner: Axis
    outer: Axis
    turned: Tensor
    """Whether the inner axis is the vertical one, bool [N]."""
    flip: Tensor
    rounding: Rounding
    lines: int
    """Maximum number of source lines that an image needs along the outer axis."""


def to_device(values: NDArray[np.int64], device: torch.device) -> Tensor:
    """Copy an array to a device without waiting for it."""
    tensor = torch.from_numpy(values)
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def planned(places: NDArray[np.int64], size: int, resize: Resize, device: torch.device) -> Plan:
    """Compute the taps of each crop on ``device``."""
    width, height, target_width, target_height = places[:, 2:6].T
    if resize == "antialias":  # Pillow 13 begins with the axis that saves more work
        turned = (height > target_height) & (height - target_height > 2 * (width - target_width))
    else:
        turned = np.zeros(len(places), dtype=bool)
    across, down = places[:, [2, 4, 6]], places[:, [3, 5, 7]]  # length, target, start
    swap = turned[:, None]
    inner, outer = np.where(swap, down, across), np.where(swap, across, down)
    columns = np.column_stack([places, turned, inner, outer])
    table = to_device(columns.astype(np.int64), device)
    one, stride = torch.ones_like(table[:, 1]), table[:, 1]
    turned_there = table[:, 9].bool()
    outer_taps = _taps(outer, resize)
    scale = (outer[:, 0] / outer[:, 1]).max()
    lines = min(int(outer[:, 0].max()), int(np.ceil(size * scale)) + outer_taps)
    make: MakeAxis = _antialias if resize == "antialias" else _opencv

    def axis(columns: slice, taps: int) -> Axis:
        length, target, start = table[:, columns, None].unbind(1)
        return make(length, target, start, size, taps)

    return Plan(
        base=table[:, 0],
        inner_step=torch.where(turned_there, stride, one),
        outer_step=torch.where(turned_there, one, stride),
        inner=axis(slice(10, 13), _taps(inner, resize)),
        outer=axis(slice(13, 16), outer_taps),
        turned=turned_there,
        flip=table[:, 8].bool(),
        rounding=ROUNDING[resize],
        lines=lines,
    )


def _taps(axis: NDArray[np.int64], resize: Resize) -> int:
    """Return the maximum number of taps; the columns of ``axis`` are length, target and start."""
    if resize == "opencv":
        return 2
    return 2 * int(np.ceil(np.maximum(axis[:, 0] / axis[:, 1], 1.0)).max()) + 1


def _antialias(length: Tensor, target: Tensor, start: Tensor, size: int, taps: int) -> Axis:
    """Compute Pillow's coefficients (precompute_coeffs and normalize_coeffs_8bpc); [N, 1] each."""
    place = (start + torch.arange(size, device=start.device)).double()
    scale = length.double() / target
    support = scale.clamp(min=1.0)
    centre = (place + 0.5) * scale
    first = (centre - support + 0.5).clamp(min=0).long()
    stop = torch.minimum((centre + support + 0.5).long(), length)
    source = first[..., None] + torch.arange(taps, device=start.device)
    distance = ((source - centre[..., None] + 0.5) * (1.0 / support)[..., None]).abs()
    inside = (distance < 1) & (source < stop[..., None])
    weights = torch.where(inside, 1 - distance, 0.0)
    total = weights[..., 0]
    for tap in range(1, taps):  # a sum of floats depends on its order; this is Pillow's
        total = total + weights[..., tap]
    weights = weights * (1 / total)[..., None]
    return Axis(length[:, 0], first, (0.5 + weights * (1 << BITS)).int())


def _opencv(length: Tensor, target: Tensor, start: Tensor, size: int, _taps: int) -> Axis:
    """Compute the taps of :func:`pipeline.training.bilinear.taps`; arguments are [N, 1] each."""
    place = (start + torch.arange(size, device=start.device)).double()
    scale = 1 / (target.double() / length)
    position = ((place + 0.5) * scale - 0.5).float()
    whole = position.floor()
    weight = ((position - whole) * (1 << bilinear.BITS)).round().int()
    weights = torch.stack([(1 << bilinear.BITS) - weight, weight], -1)
    return Axis(length[:, 0], whole.long(), weights)


def summed(pixels: Tensor, plan: Plan) -> Tensor:
    """Sum the taps of a plan, some images at a time; return uint8 [N, size, size, 3]."""
    images, size = plan.inner.first.shape
    at_once = max(1, CHUNK_BYTES // (plan.lines * size * 3 * 4))
    out = torch.empty(images, size, size, 3, dtype=torch.uint8, device=pixels.device)
    for begin in range(0, images, at_once):
        some = slice(begin, begin + at_once)
        out[some] = _summed(pixels, plan, some)
    return out


def _summed(pixels: Tensor, plan: Plan, some: slice) -> Tensor:
    inner, outer = (Axis(*(part[some] for part in axis)) for axis in (plan.inner, plan.outer))
    inner_step, outer_step = plan.inner_step[some, None], plan.outer_step[some, None]
    rounding, device = plan.rounding, pixels.device
    start = outer.tap(0)[:, :1]
    lines = torch.minimum(
        start + torch.arange(plan.lines, device=device), outer.length[:, None] - 1
    )
    begin = (plan.base[some, None] + lines * outer_step)[:, :, None]
    total = torch.full((), rounding.half, dtype=torch.int32, device=device)
    for tap in range(inner.weights.shape[-1]):
        source = begin + (inner.tap(tap) * inner_step)[:, None, :]
        total = total + pixels[source].int() * inner.weights[:, None, :, tap, None]
    total = total >> rounding.inner
    image = torch.arange(len(start), device=device)[:, None]
    result = torch.full((), 1 << (rounding.outer - 1), dtype=torch.int32, device=device)
    for tap in range(outer.weights.shape[-1]):
        line = (outer.tap(tap) - start).clamp_(max=plan.lines - 1)
        product = total[image, line] * outer.weights[:, :, tap, None, None]
        result = result + (product >> rounding.product)
    done = (result >> rounding.outer).to(torch.uint8)
    done = torch.where(plan.turned[some, None, None, None], done.transpose(1, 2), done)
    return torch.where(plan.flip[some, None, None, None], done.flip(2), done)
