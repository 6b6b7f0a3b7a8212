"""Load pretrained weights, verified: every tensor used, every tensor filled, or an error.

``python -m pipeline.models.weights PATH`` says what a file holds; with ``--to OUT.safetensors`` it
converts it to timm's names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from pipeline.config import UserError
from pipeline.datasets.files import write_bytes
from pipeline.models.architecture import ALIASES, Architecture, describe
from pipeline.models.checkpoints import tensors
from pipeline.models.layouts import Layout, detect
from pipeline.models.sources import WeightsFile, locate, sha256

__all__ = ["LoadedWeights", "WeightsFile", "load", "locate"]

RESNET50_VD = (
    "https://paddle-imagenet-models-name.bj.bcebos.com"
    "/dygraph/legendary_models/ResNet50_vd_pretrained.pdparams"
)
"""What an error offers instead."""


@dataclass(frozen=True)
class LoadedWeights:
    """Weights in timm's names, as contiguous float32 (counters as int64)."""

    path: Path
    sha256: str
    arch: str
    """timm's name of the network."""
    layout: str
    state: dict[str, torch.Tensor]
    """In timm's order; without ``num_batches_tracked`` where the file has none."""
    head: int | None
    """Classes of the head; None for a file without one."""

    @property
    def summary(self) -> str:
        """What was loaded, in one line."""
        head = f"head of {self.head} classes" if self.head else "no head in this file"
        values = sum(tensor.numel() for tensor in self.state.values())
        return (
            f"{self.path.name}: {self.layout}, {len(self.state)} tensors"
            f" ({values / 1e6:.1f} M values), {head}, sha256 {self.sha256[:12]}"
        )


def load(path: Path, arch: str = "resnet50_vd") -> LoadedWeights:
    """Read ``path`` for the network ``arch``.

    Every source tensor is used exactly once and every tensor of the network but its head is filled;
    shapes agree, values are finite, running variances positive (but for dead channels). Raises
    UserError with what is wrong otherwise; there are never random values in the result.
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
    """Give the tensors timm's names, each source tensor exactly one."""
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
    """Tell a batch norm's running variance from zeros and faults.

    It is above zero but for dead channels, whose mean is zero as well. Published files have some:
    28 of the 49 batch norms of EfficientNet-Lite0, with means below 1e-5.
    """
    variance = state[name]
    mean = state[name.removesuffix("var") + "mean"]
    alive = variance > 0
    return bool(alive.any() and (alive | ((variance == 0) & (mean.abs() < 1e-4))).all())


def _refuse(path: Path, target: Architecture, faults: dict[str, list[str]]) -> None:
    """Raise UserError naming every kind of fault, if there is any."""
    found = [
        f"{len(names)} {kind} ({_shortened(names)})" for kind, names in faults.items() if names
    ]
    if found:
        raise UserError(
            f"{path}: these are not weights of {target.name}: tensors {'; '.join(found)}."
            f" {_expected(target)}"
        )


def _expected(target: Architecture) -> str:
    """Say what was wanted and where it is."""
    needed = [name for name in target.shapes if not name.endswith("num_batches_tracked")]
    text = f"Expected {len(needed)} tensors of {target.name}, or {len(needed) - 2} without its head"
    if target.name == ALIASES["resnet50_vd"]:
        text += f", PaddleClas's ResNet50_vd, such as {RESNET50_VD}"
    return text


def _shortened(names: Iterable[str], most: int = 5) -> str:
    names = [name[:80] for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def main(arguments: list[str] | None = None) -> int:
    """Say what a weights file holds, convert it if asked; 0 when good, 2 when not."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.models.weights", description=__doc__)
    parser.add_argument("path", type=Path, help="a .pdparams, .pth or .safetensors file")
    parser.add_argument(
        "--to", type=Path, metavar="OUT.safetensors", help="write it there, in timm's names"
    )
    parser.add_argument(
        "--arch", default="resnet50_vd", help="the network it must fit (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        if options.to and options.to.suffix != ".safetensors":
            raise UserError(f"--to {options.to}: the name must end in .safetensors")
        loaded = load(options.path, options.arch)
        print(_description(loaded, options.arch))
        if options.to:
            print(f"written  {options.to} (sha256 {_convert(loaded, options.to)})")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _description(loaded: LoadedWeights, arch: str) -> str:
    values = sum(tensor.numel() for tensor in loaded.state.values())
    filled = "all of the network filled" + ("" if loaded.head else " but its head")
    return (
        f"file     {loaded.path} ({loaded.path.stat().st_size:,} bytes)\n"
        f"sha256   {loaded.sha256}\n"
        f"layout   {loaded.layout}\n"
        f"tensors  {len(loaded.state)}, {values:,} values\n"
        f"head     {f'{loaded.head} classes' if loaded.head else 'none'}\n"
        f"matches  {arch}: every tensor of the file used once, {filled}"
    )


def _convert(loaded: LoadedWeights, path: Path) -> str:
    """Write the weights in timm's names; return the digest of the file."""
    metadata = {"format": "pt", "arch": loaded.arch, "source_sha256": loaded.sha256}
    try:
        write_bytes(path, safetensors.torch.save(loaded.state, metadata))
    except OSError as error:
        raise UserError(f"--to {path}: {error.strerror}") from None
    return sha256(path)


if __name__ == "__main__":
    sys.exit(main())
