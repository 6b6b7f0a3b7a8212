"""Divide a network's parameters into groups with their own learning rate factors."""

import re
from typing import Any

from torch import nn

from pipeline.base.errors import UserError

_STAGES = (re.compile(r"^(conv1|bn1)\."), *(re.compile(rf"^layer{s}\.") for s in range(1, 5)))


def parameter_groups(network: nn.Module, factors: list[float] | None) -> list[dict[str, Any]]:
    """Return optimiser groups with ``params`` and ``lr_factor``; each parameter is in exactly one.

    ``factors`` are those of the stem and the four stages of a ResNet, like PaddleClas's
    ``lr_mult_list``; the head keeps 1. None gives one group. Raises UserError for a network
    without such stages.
    """
    if factors is None:
        return [{"params": list(network.parameters()), "lr_factor": 1.0}]
    groups: list[dict[str, Any]] = [
        {"params": [], "lr_factor": factor} for factor in [*factors, 1.0]
    ]
    for name, parameter in network.named_parameters():
        stage = next((i for i, pattern in enumerate(_STAGES) if pattern.match(name)), 5)
        groups[stage]["params"].append(parameter)
    if not all(group["params"] for group in groups):
        raise UserError(
            "recipe.stage_lr needs a network with a stem and four stages (a ResNet); "
            "set it to null for this model"
        )
    return groups
