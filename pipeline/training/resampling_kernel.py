"""Compute :func:`pipeline.training.resampling.summed` in one Triton kernel."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from pipeline.training.resampling import Plan

BLOCK = 256
"""Output pixels per program of the kernel."""
BITS = ("half", "inner_bits", "product_bits", "outer_bits")
"""The kernel's names for the fields of a Rounding, in their order."""


@triton.jit
def _sum(  # type: ignore[no-untyped-def]
    pixels,
    base,
    inner_step,
    outer_step,
    inner_length,
    inner_first,
    inner_weights,
    outer_length,
    outer_first,
    outer_weights,
    turned,
    flip,
    out,
    size,
    inner_taps,
    outer_taps,
    half: tl.constexpr,
    inner_bits: tl.constexpr,
    product_bits: tl.constexpr,
    outer_bits: tl.constexpr,
    block: tl.constexpr,
):
    image = tl.program_id(0)
    place = tl.program_id(1) * block + tl.arange(0, block)
    inside = place < size * size
    x, y = place % size, place // size  # along the inner and the outer axis
    start = tl.load(base + image)
    step_x, step_y = tl.load(inner_step + image), tl.load(outer_step + image)
    at_x, at_y = image * size + x, image * size + y
    first_x = tl.load(inner_first + at_x, inside, 0)
    first_y = tl.load(outer_first + at_y, inside, 0)
    red = tl.full([block], 1 << (outer_bits - 1), tl.int32)
    green = tl.full([block], 1 << (outer_bits - 1), tl.int32)
    blue = tl.full([block], 1 << (outer_bits - 1), tl.int32)
    last_x, last_y = tl.load(inner_length + image) - 1, tl.load(outer_length + image) - 1
    for tap_y in range(outer_taps):
        weight_y = tl.load(outer_weights + at_y * outer_taps + tap_y, inside, 0)
        line_red = tl.full([block], half, tl.int32)
        line_green = tl.full([block], half, tl.int32)
        line_blue = tl.full([block], half, tl.int32)
        line = start + tl.minimum(tl.maximum(first_y + tap_y, 0), last_y) * step_y
        for tap_x in range(inner_taps):
            weight_x = tl.load(inner_weights + at_x * inner_taps + tap_x, inside, 0)
            used = inside & (weight_x != 0) & (weight_y != 0)
            column = tl.minimum(tl.maximum(first_x + tap_x, 0), last_x)
            source = pixels + (line + column * step_x) * 3
            line_red += weight_x * tl.load(source, used, 0).to(tl.int32)
            line_green += weight_x * tl.load(source + 1, used, 0).to(tl.int32)
            line_blue += weight_x * tl.load(source + 2, used, 0).to(tl.int32)
        red += (weight_y * (line_red >> inner_bits)) >> product_bits
        green += (weight_y * (line_green >> inner_bits)) >> product_bits
        blue += (weight_y * (line_blue >> inner_bits)) >> product_bits
    vertical = tl.load(turned + image) != 0
    out_y, out_x = tl.where(vertical, x, y), tl.where(vertical, y, x)
    out_x = tl.where(tl.load(flip + image) != 0, size - 1 - out_x, out_x)
    target = out + ((image.to(tl.int64) * size + out_y) * size + out_x) * 3
    tl.store(target, (red >> outer_bits).to(tl.uint8), inside)
    tl.store(target + 1, (green >> outer_bits).to(tl.uint8), inside)
    tl.store(target + 2, (blue >> outer_bits).to(tl.uint8), inside)


def summed(pixels: Tensor, plan: Plan) -> Tensor:
    """Sum the taps of a plan in one kernel; return uint8 [N, size, size, 3]."""
    images, size = plan.inner.first.shape
    out = torch.empty(images, size, size, 3, dtype=torch.uint8, device=pixels.device)
    _sum[(images, triton.cdiv(size * size, BLOCK))](
        pixels,
        plan.base.contiguous(),
        plan.inner_step,
        plan.outer_step,
        plan.inner.length.contiguous(),
        plan.inner.first.contiguous(),
        plan.inner.weights.contiguous(),
        plan.outer.length.contiguous(),
        plan.outer.first.contiguous(),
        plan.outer.weights.contiguous(),
        plan.turned.to(torch.int8),
        plan.flip.to(torch.int8),
        out,
        size,
        plan.inner.weights.shape[-1],
        plan.outer.weights.shape[-1],
        **dict(zip(BITS, plan.rounding, strict=True)),
        block=BLOCK,
    )
    return out
