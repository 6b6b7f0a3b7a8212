"""Build the network of a trial: architecture, pretrained weights, fresh head."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import timm
import torch
from torch import nn

from pipeline.config import ModelConfig
from pipeline.models.architecture import describe
from pipeline.models.weights import load

_log = logging.getLogger(__name__)


def build(
    model: ModelConfig, num_classes: int, *, weights: Path | None, seed: int
) -> torch.nn.Module:
    """Return the network ``model.arch`` with a linear head of ``num_classes``, on the CPU.

    With ``weights`` the backbone is loaded and verified; a pretrained head stays only when it has
    ``num_classes`` classes. Otherwise the head is fresh: weights uniform within 1/sqrt(inputs), as
    Paddle and torch draw them, bias zero, as Paddle has it. Everything random follows from ``seed``
    alone and leaves the global generators as they were. One line in the log says what was loaded.
    Raises UserError for an unknown architecture or weights that do not fit it.
    """
    architecture = describe(model.arch)
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs as well
    try:
        network = timm.create_model(architecture.name, num_classes=num_classes)
    finally:
        torch.default_generator.set_state(state)
    head = network.get_submodule(architecture.head)
    assert isinstance(head, nn.Linear)
    bound = 1 / math.sqrt(head.weight[0].numel())
    nn.init.uniform_(head.weight, -bound, bound, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(head.bias)
    if weights is None:
        _log.info("%s: random start, seed %d, head of %d classes", model.arch, seed, num_classes)
        return network

    loaded = load(weights, model.arch)
    backbone = dict(loaded.state)
    summary = loaded.summary
    if loaded.head is None:
        summary += f"; fresh head of {num_classes} classes"
    elif loaded.head != num_classes:
        summary += f"; its head dropped for a fresh one of {num_classes} classes"
    if loaded.head != num_classes:
        for name, tensor in zip(architecture.head_names, (head.weight, head.bias), strict=True):
            backbone[name] = tensor.detach()
    network.load_state_dict(backbone, strict=True)
    _log.info("%s", summary)
    return network
