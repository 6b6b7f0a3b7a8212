"""Refuse a network that no trial could use, before any work. Imports torch only if it must try."""

import functools
from collections.abc import Iterator, Sequence

from pipeline.base.errors import UserError
from pipeline.base.text import some
from pipeline.settings.faults import Origin
from pipeline.settings.plain_yaml import read_mapping
from pipeline.settings.schema import Config

ANY_SIZE = frozenset({"resnet50_vd", "resnet50d", "resnet10t", "tf_efficientnet_lite0"})
"""Architectures known to take every image size, those of conf/model among them."""
_USUAL = (32, 48, 64, 96, 112, 128, 160, 192, 224, 240, 256, 288, 320, 384, 448, 512)
"""Image sizes that are tried for a message, in pixels."""


def require_network(cfg: Config, origin: Origin) -> None:
    """Raise UserError if a network of ``cfg`` is unknown or does not take ``recipe.image_size``.

    An override ``model=NAME`` asks for one network; otherwise each of ``models`` is checked.
    """
    side = cfg.recipe.image_size
    for arch, source in dict(_architectures(cfg, origin)).items():
        try:
            accepted = takes(arch, side)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
        if not accepted:
            allowed = some(usable_sides(arch, _USUAL), len(_USUAL))
            raise UserError(
                f"{origin.source_of('recipe', 'image_size')}: 'recipe.image_size': found {side}, "
                f"which the network {arch} does not take; allowed for it: {allowed}"
            )


def _architectures(cfg: Config, origin: Origin) -> Iterator[tuple[str, str]]:
    """Yield the architecture of each network, and the override or file that names it."""
    source = origin.source_of("model", "arch")
    for name in [] if any(each.startswith("model=") for each in origin.overrides) else cfg.models:
        path = origin.group_file("model", name)
        if source == str(origin.group_file("model", cfg.model.name)):
            yield str(read_mapping(path).get("arch", cfg.model.arch)), str(path)
    yield cfg.model.arch, source


def usable_sides(arch: str, sides: Sequence[int]) -> list[int]:
    """Return those of ``sides`` that an architecture takes, or else the side it was made for."""
    from pipeline.models.architecture import made_for

    return [side for side in sides if takes(arch, side)] or [made_for(arch)]


@functools.cache
def takes(arch: str, side: int) -> bool:
    """Return whether a network can train on images of ``side`` pixels.

    Raises UserError as :func:`pipeline.models.architecture.describe` does.
    """
    if arch in ANY_SIZE:
        return True
    from pipeline.models.architecture import runs

    return runs(arch, side)
