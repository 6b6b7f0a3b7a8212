"""Look up the network that a configuration names: its timm name, its tensors and its head."""

import difflib
import functools
from dataclasses import dataclass

import timm
import torch

from pipeline.base.errors import UserError

ALIASES = {"resnet50_vd": "resnet50d"}
"""Other names for timm architectures: PaddleClas's ResNet50_vd computes the same as resnet50d."""


@dataclass(frozen=True)
class Architecture:
    """The shapes of a network's tensors by timm name, in order, and the prefix of its head."""

    name: str
    shapes: dict[str, torch.Size]
    head: str

    @property
    def head_names(self) -> tuple[str, str]:
        return f"{self.head}.weight", f"{self.head}.bias"


def timm_name(arch: str) -> str:
    """Return timm's name for ``arch``. Raises UserError, with similar names, if timm lacks it."""
    name = ALIASES.get(arch, arch)
    if not timm.is_model(name):
        similar = difflib.get_close_matches(name, [*ALIASES, *timm.list_models()], n=4, cutoff=0.6)
        raise UserError(
            f"model.arch: {arch!r} is not an architecture of timm {timm.__version__}; "
            + (f"similar: {', '.join(similar)}" if similar else "see timm.list_models()")
        )
    return name


@functools.cache
def describe(arch: str) -> Architecture:
    """Look up an architecture without creating its weights.

    Raises UserError if it is unknown or its head is not a single linear layer.
    """
    name = timm_name(arch)
    with torch.device("meta"):
        network = timm.create_model(name)
    head = getattr(network, "pretrained_cfg", {}).get("classifier")
    shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}
    if not isinstance(head, str) or not {f"{head}.weight", f"{head}.bias"} <= shapes.keys():
        raise UserError(f"model.arch: {arch} has no single linear head that could be replaced")
    return Architecture(name, shapes, head)


def runs(arch: str, side: int) -> bool:
    """Return whether a network takes a batch of images of ``side`` pixels.

    Tries it without memory or arithmetic (torch's meta device), or on the processor if the network
    has operations that do not work there. Raises UserError as :func:`describe` does.
    """
    on_meta = _network(arch, "meta")
    if _takes(on_meta, made_for(arch), "meta"):
        return _takes(on_meta, side, "meta")
    return _takes(_network(arch, "cpu"), side, "cpu")


def made_for(arch: str) -> int:
    """Return the side of the images that an architecture was made for, in pixels."""
    about = getattr(_network(arch, "meta"), "pretrained_cfg", {})
    return int(about.get("input_size", (3, 224, 224))[-1])


@functools.lru_cache(maxsize=2)
def _network(arch: str, device: str) -> torch.nn.Module:
    name = describe(arch).name
    with torch.random.fork_rng(devices=[]), torch.device(device):
        return timm.create_model(name, num_classes=2).train()


def _takes(network: torch.nn.Module, side: int, device: str) -> bool:
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            network(torch.zeros(2, 3, side, side, device=device))
    except Exception:  # assertions and errors of whatever a network uses
        return False
    return True
