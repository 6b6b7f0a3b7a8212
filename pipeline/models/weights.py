"""Load pretrained weights and verify that every tensor is used and every tensor is filled."""

from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.base.errors import UserError
from pipeline.base.text import some
from pipeline.models.architecture import ALIASES, Architecture, describe
from pipeline.models.checkpoints import tensors
from pipeline.models.sources import WeightsFile, locate, sha256
from pipeline.models.tensor_names import Layout, detect

__all__ = ["LoadedWeights", "WeightsFile", "load", "locate"]

RESNET50_VD = (
    "https://paddle-imagenet-models-name.bj.bcebos.com"
    "/dygraph/legendary_models/ResNet50_vd_pretrained.pdparams"
)
"""The alternatives that an error suggests."""


@dataclass(frozen=True)
class LoadedWeights:
    """Verified weights under timm's names, as contiguous float32 (counters as int64)."""

    path: Path
    sha256: str
    arch: str
    """timm's name for the network."""
    layout: str
    state: dict[str, torch.Tensor]
    """The tensors in timm's order; without ``num_batches_tracked`` if the file has none."""
    head: int | None
    """Number of classes of the head; None for a file without a head."""

    @property
    def summary(self) -> str:
        """Describe in one line what was loaded."""
        head = f"head of {self.head} classes" if self.head else "no head in this file"
        values = sum(tensor.numel() for tensor in self.state.values())
        return (
            f"{self.path.name}: {self.layout}, {len(self.state)} tensors"
            f" ({values / 1e6:.1f} M values), {head}, sha256 {self.sha256[:12]}"
        )


def load(path: Path, arch: str = "resnet50_vd") -> LoadedWeights:
    """Read the weights file ``path`` for the network ``arch``, and verify it.

    Every tensor of the file is used exactly once, and every tensor of the network except its head
    is filled. Shapes agree, values are finite, and running variances are positive (except for dead
    channels). Otherwise raises UserError with what is wrong. The result never has random values.
    """
    target = describe(arch)
    try:
        source = tensors(path)
    except UserError as error:
        raise UserError(f"{error}. {_expected(target)}") from None
    layout = detect(source)
    if layout and layout.arch != target.name:
        raise UserError(
            f"{path}: holds {layout.arch} in the layout {layout.title}. {_expected(target)}"
        )
    state = _verified(_renamed(source, layout, target, path), target, path)
    weight, _ = target.head_names
    return LoadedWeights(
        path=path,
        sha256=sha256(path),
        arch=target.name,
        layout=layout.title if layout else "timm",
        state=state,
        head=len(state[weight]) if weight in state else None,
    )


def _renamed(
    source: dict[str, torch.Tensor], layout: Layout | None, target: Architecture, path: Path
) -> dict[str, torch.Tensor]:
    """Give each tensor of the file exactly one of timm's names."""
    if layout is None:
        return source
    renamed: dict[str, torch.Tensor] = {}
    unknown, double = [], []
    for name, tensor in source.items():
        new = layout.rename(name)
        if new is None:
            unknown.append(name)
        elif new in renamed:
            double.append(name)
        else:
            renamed[new] = tensor
    _refuse(path, target, {"not of this layout": unknown, "meant twice": double})
    weight, _ = target.head_names
    if layout.head_transposed and weight in renamed and renamed[weight].ndim == 2:
        renamed[weight] = renamed[weight].T
    return renamed


def _verified(
    state: dict[str, torch.Tensor], target: Architecture, path: Path
) -> dict[str, torch.Tensor]:
    """Check names, shapes, types and values; return the tensors in timm's order and types."""
    counters = {name for name in target.shapes if name.endswith("num_batches_tracked")}
    head = target.head_names
    weight = head[0]
    absent = set() if state.keys() & head else set(head)
    wrong_shape = []
    for name, shape in target.shapes.items():
        if name not in state:
            continue
        if name in head and weight in state:  # any number of classes, but the network's width
            shape = torch.Size([*state[weight].shape[:1], *shape[1:]])
        if state[name].shape != shape:
            wrong_shape.append(f"{name} {[*state[name].shape]} instead of {[*shape]}")
    _refuse(
        path,
        target,
        {
            "missing": [n for n in target.shapes if n not in state.keys() | counters | absent],
            "unknown": [n for n in state if n not in target.shapes],
            "of another shape": wrong_shape,
            "not of a floating type": [
                n for n in state if n not in counters and not state[n].is_floating_point()
            ],
        },
    )
    kept = {
        name: state[name].to(torch.int64 if name in counters else torch.float32).contiguous()
        for name in target.shapes
        if name in state
    }
    variances = [name for name in kept if name.endswith("running_var")]
    _refuse(
        path,
        target,
        {
            "with NaN or infinite values": [n for n, t in kept.items() if not t.isfinite().all()],
            "not a variance": [n for n in variances if not _is_variance(n, kept)],
        },
    )
    return kept


def _is_variance(name: str, state: dict[str, torch.Tensor]) -> bool:
    """Return whether a tensor is a plausible running variance of a batch norm.

    It is above zero, except for dead channels, whose mean is zero too. Published files have such
    channels: 28 of the 49 batch norms of EfficientNet-Lite0, with means below 1e-5.
    """
    variance = state[name]
    mean = state[name.removesuffix("var") + "mean"]
    alive = variance > 0
    return bool(alive.any() and (alive | ((variance == 0) & (mean.abs() < 1e-4))).all())


def _refuse(path: Path, target: Architecture, faults: dict[str, list[str]]) -> None:
    """Raise UserError naming every kind of fault, if there is any."""
    listed = [
        f"{len(names)} {kind} ({some([name[:80] for name in names], 5)})"
        for kind, names in faults.items()
        if names
    ]
    if listed:
        raise UserError(
            f"{path}: these are not weights of {target.name}: tensors {'; '.join(listed)}."
            f" {_expected(target)}"
        )


def _expected(target: Architecture) -> str:
    """Describe the expected file and where to get it."""
    needed = [name for name in target.shapes if not name.endswith("num_batches_tracked")]
    text = f"Expected {len(needed)} tensors of {target.name}, or {len(needed) - 2} without its head"
    if target.name == ALIASES["resnet50_vd"]:
        text += f", PaddleClas's ResNet50_vd, such as {RESNET50_VD}"
    return text
