"""Compute a network in float32, as its packaged model does wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def as_delivered(device: str) -> Iterator[None]:
    """Turn off autocast in the block and, on an accelerator, TF32: it has a mantissa of 10 bits."""
    cudnn = torch.backends.cudnn
    exact = cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    )
    with torch.autocast(device, enabled=False), exact:
        yield
