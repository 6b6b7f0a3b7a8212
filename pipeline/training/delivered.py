"""Compute a network in float32, as its packaged model does wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.training.devices import tf32


@contextmanager
def as_delivered(device: str) -> Iterator[None]:
    """Turn off autocast in the block and, on an accelerator, TF32: it has a mantissa of 10 bits."""
    with torch.autocast(device, enabled=False), tf32(False):
        yield
