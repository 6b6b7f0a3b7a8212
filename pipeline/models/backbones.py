"""Build the network of a trial: architecture, pretrained weights, fresh head."""

import copy
import functools
import logging
import math
from pathlib import Path

import timm
import torch
from torch import nn

from pipeline.models.architecture import describe
from pipeline.models.weights import load
from pipeline.settings.schema import ModelConfig

_log = logging.getLogger(__name__)


def build(
    model: ModelConfig, num_classes: int, *, weights: Path | None, seed: int
) -> torch.nn.Module:
    """Return the network ``model.arch`` with a linear head of ``num_classes``, on the CPU.

    With ``weights`` the backbone is loaded and verified; a pretrained head is kept only if it has
    ``num_classes`` classes. A new head has weights uniform within 1/sqrt(inputs), as Paddle and
    torch draw them, and zero bias, as in Paddle. Everything random depends on ``seed`` alone, and
    the global generators are left unchanged. A line in the log says which file was loaded. Raises
    UserError for an unknown architecture or weights that do not fit it.
    """
    if weights is None:
        started, keeps_head = _random(model.arch, num_classes, seed), False
    else:
        stamp = weights.stat().st_mtime_ns if weights.exists() else None
        started, keeps_head = _pretrained(model.arch, num_classes, weights, stamp)
    network = copy.deepcopy(started)
    if not keeps_head:
        head = network.get_submodule(describe(model.arch).head)
        assert isinstance(head, nn.Linear)
        bound = 1 / math.sqrt(head.in_features)
        nn.init.uniform_(head.weight, -bound, bound, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(head.bias)
    return network


# The trials of a sweep start from the same weights. We keep the last network: creating it takes as
# long as several training steps, copying it takes almost no time.


@functools.lru_cache(maxsize=1)
def _random(arch: str, num_classes: int, seed: int) -> nn.Module:
    return _network(arch, num_classes, seed)


@functools.lru_cache(maxsize=1)
def _pretrained(
    arch: str, num_classes: int, weights: Path, _stamp: int | None
) -> tuple[nn.Module, bool]:
    """Return the network with the weights of the file, and whether it has the file's head.

    ``_stamp`` is part of the cache's key and changes when the file does.
    """
    loaded = load(weights, arch)
    network = _network(arch, num_classes, seed=0)
    state, summary = dict(loaded.state), loaded.summary
    if loaded.head is None:
        summary += f"; new head of {num_classes} classes"
    elif loaded.head != num_classes:
        summary += f"; head replaced by a new one of {num_classes} classes"
    if loaded.head != num_classes:
        fresh = network.state_dict()
        state |= {name: fresh[name] for name in describe(arch).head_names}
    network.load_state_dict(state, strict=True)
    _log.info("%s", summary)
    return network, loaded.head == num_classes


def _network(arch: str, num_classes: int, seed: int) -> nn.Module:
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs as well
    try:
        return timm.create_model(describe(arch).name, num_classes=num_classes)
    finally:
        torch.default_generator.set_state(before)
