"""Compile the forward and backward pass of a training step, once for all trials of a process."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn


def forward(network: nn.Module, images: Tensor) -> Tensor:
    """Compute the logits of a training step. Evaluation calls the network itself."""
    logits: Tensor = network(images)
    return logits


@cache
def compiled_forward() -> Callable[[nn.Module, Tensor], Tensor]:
    """Return :func:`forward`, compiled by torch.

    The network is an argument, so another network of the same shape needs no other compilation.
    ``dynamic`` is off because code for any size would replace that for one size after the second
    size was seen, and compute other bits: a trial must not depend on the trials before it. With
    ``fullgraph`` an operation that cannot be compiled raises an error. ``deterministic`` chooses no
    kernel by its measured time where another one computes other bits.
    """
    return torch.compile(forward, dynamic=False, fullgraph=True, options={"deterministic": True})
