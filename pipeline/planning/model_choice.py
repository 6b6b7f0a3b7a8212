"""Choose the network for a person's images on this machine: ``MODEL=auto``."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.base.errors import UserError

AUTO = "auto"
LARGE = "resnet50_vd"
PACKAGED = "efficientnet_lite0"
SMALL = "resnet10t_random"
SMALL_SIDE = 32
"""Images up to this short side carry too little for a network pretrained on photographs: at 32 px
EfficientNet-Lite0 stays behind a random start (benchmarks/pretrained.py)."""
FULL_SIDE = 224
"""The side in pixels that the recipes have, and that pretrained networks saw."""
_SIDES = (32, 48, 64, 96, 128, 160, 192, FULL_SIDE)
_LEAST_PRETRAINED = 64


@dataclass(frozen=True)
class Choice:
    """A network, and the reason for it in words for people to read."""

    model: str
    reason: str


def choose(side: int, *, accelerator: bool, require_weights: Callable[[str], object]) -> Choice:
    """Choose a network for images whose short side has ``side`` pixels.

    ``require_weights`` fetches the weights of a model and raises UserError if it cannot.
    """
    reason = "there is no accelerator here, on which a large network would take days"
    if accelerator:
        try:
            require_weights(LARGE)
            return Choice(LARGE, "there is an accelerator here, and the weights can be fetched")
        except UserError:
            reason = f"the weights of {LARGE} cannot be fetched from here"
    elif side <= SMALL_SIDE:
        return Choice(
            SMALL,
            f"there is no accelerator here, and in images of {side} px a network pretrained on "
            "photographs finds little that it knows",
        )
    return Choice(PACKAGED, f"{reason}; its ImageNet weights were installed with this program")


def sides(model: str, short_side: int) -> list[int]:
    """Return the image sizes worth training at, in pixels, the best first.

    The best does not enlarge the images by more than one step, and is at most 224. A pretrained
    network gets at least 64 px.
    """
    least = _SIDES[0] if model == SMALL else _LEAST_PRETRAINED
    useful = [each for each in _SIDES if each >= least]
    enough = next((each for each in useful if each >= short_side), useful[-1])
    return [each for each in reversed(useful) if each <= enough]
