"""Weights files of the golden trials, and a few numbers that tell weights apart."""

import pickle
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file

from pipeline.models.backbones import build
from pipeline.settings.schema import ModelConfig

_POOL = np.random.default_rng(5).random(3_000_000, np.float32)
"""Where the values of all tensors are cut from: filling 25 million would take seconds."""
_DEPTHS = (3, 4, 6, 3)


def summary(state: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Give each part of a network a number that any change of a value or its place changes.

    The sum of x * r + |x| with weights r between 0 and 1: no term is negative, so rounding counts
    no more in the sum than in its terms. It is numpy's own sum: a dot product of BLAS
    rounds by where the values lie in memory.
    """
    totals: dict[str, float] = defaultdict(float)
    for position, (name, tensor) in enumerate(state.items(), start=1):
        values = tensor.double().numpy().ravel()
        ramp = (np.arange(values.size) % 251 + 1) / 251
        totals[name.split(".")[0]] += position * float((values * ramp + np.abs(values)).sum())
    return dict(totals)


def small_weights(folder: Path, kind: str) -> Path:
    """Write weights of ``test_resnet`` in timm's names, once; ``kind`` says which head."""
    path = folder / f"{kind}.safetensors"
    if not path.exists():
        classes = int(match[1]) if (match := re.search(r"with (\d+) classes", kind)) else 0
        with torch.device("meta"):
            network = timm.create_model("test_resnet", num_classes=classes)
        shapes = {n: tuple(t.shape) for n, t in network.state_dict().items() if t.ndim}
        save_file({n: torch.from_numpy(_fill(n, shape)) for n, shape in shapes.items()}, path)
    return path


def start_from(layout: str, folder: Path) -> dict[str, float]:
    """Write published weights in ``layout``, build a network of 7 classes from them, sum it up."""
    name, _, suffix = layout.rpartition(", ")
    arch = "tf_efficientnet_lite0" if name.startswith("EfficientNet") else "resnet50d"
    with torch.device("meta"):
        network = timm.create_model(arch)
    arrays = {}
    for timm_name, tensor in network.state_dict().items():
        if timm_name.endswith("num_batches_tracked"):
            continue
        values = _fill(timm_name, tuple(tensor.shape))
        published = _PUBLISHED[name](timm_name)
        if published is None:
            continue
        transposed = name.startswith("Paddle") and values.ndim == 2
        arrays[published] = np.ascontiguousarray(values.T) if transposed else values
    path = folder / f"published{suffix}"
    if suffix == ".pdparams":
        path.write_bytes(pickle.dumps(arrays, protocol=4))
    elif suffix == ".pth":
        torch.save({n: torch.from_numpy(array) for n, array in arrays.items()}, path)
    else:
        save_file({n: torch.from_numpy(array) for n, array in arrays.items()}, path)
    model = ModelConfig(name="golden", title="", arch=arch, weights="none")
    numbers = summary(build(model, 7, weights=path, seed=3).state_dict())
    path.unlink()
    return numbers


def _fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values in the range of trained ones, by the name of the tensor."""
    size = int(np.prod(shape))
    start = zlib.crc32(name.encode()) % (len(_POOL) - size)
    values = _POOL[start : start + size].reshape(shape)
    if len(shape) > 1:
        return (values - np.float32(0.5)) * np.float32(np.sqrt(12 / np.prod(shape[1:])))
    if name.endswith(("bias", "running_mean")):
        return values - np.float32(0.5)
    return values + np.float32(0.5)


def _place(name: str) -> tuple[int | None, int, int, str, str, str]:
    """Read timm's name in resnet50d: stage (None: the stem), block, unit, short, kind and leaf."""
    leaf = name.rpartition(".")[2]
    if match := re.fullmatch(r"conv1\.(\d)\.\w+|bn1\.\w+", name):
        number = 7 if match[1] is None else int(match[1])
        return None, 0, number // 3, "", "bn" if number % 3 else "conv", leaf
    match = re.fullmatch(r"layer(\d)\.(\d)\.(conv|bn|downsample\.)(\d)\.\w+", name)
    assert match is not None
    short = match[3] == "downsample."
    kind = ("conv" if match[4] == "1" else "bn") if short else match[3]
    return int(match[1]) - 1, int(match[2]), int(match[4]) - 1, "short" if short else "", kind, leaf


def _paddle_leaf(leaf: str) -> str:
    return {"running_mean": "_mean", "running_var": "_variance"}.get(leaf, leaf)


def _new_paddle(name: str) -> str:
    if name.startswith("fc."):
        return name
    stage, block, unit, short, kind, leaf = _place(name)
    end = f"{kind}.{_paddle_leaf(leaf)}"
    if stage is None:
        return f"stem.{unit}.{end}"
    return f"blocks.{sum(_DEPTHS[:stage]) + block}.{short or f'conv{unit}'}.{end}"


def _old_paddle(name: str) -> str:
    if name.startswith("fc."):
        return name.replace("fc.", "out.")
    stage, block, unit, short, kind, leaf = _place(name)
    end = f"{'_conv' if kind == 'conv' else '_batch_norm'}.{_paddle_leaf(leaf)}"
    if stage is None:
        return f"conv1_{unit + 1}.{end}"
    return f"bb_{stage}_{block}.{short or f'conv{unit}'}.{end}"


def _rt_detr(name: str) -> str | None:
    if name.startswith("fc."):
        return None
    stage, block, unit, short, kind, leaf = _place(name)
    end = f"{'conv' if kind == 'conv' else 'norm'}.{leaf}"
    if stage is None:
        return f"conv1.conv1_{unit + 1}.{end}"
    if short and stage:
        short = "short.conv"
    return f"res_layers.{stage}.blocks.{block}.{short or 'branch2' + 'abc'[unit]}.{end}"


def _efficientnet(name: str) -> str:
    top = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    if not (match := re.fullmatch(r"blocks\.(\d)\.(\d)\.(\w+)\.(\w+)", name)):
        module, _, leaf = name.partition(".")
        return f"{(top | {'classifier': '_fc'})[module]}.{leaf}"
    stage, block, module, leaf = int(match[1]), int(match[2]), match[3], match[4]
    flat = sum((1, 2, 2, 3, 3, 4, 1)[:stage]) + block
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    later = {
        "conv_pw": "_expand_conv",
        "bn1": "_bn0",
        "conv_dw": "_depthwise_conv",
        "bn2": "_bn1",
        "conv_pwl": "_project_conv",
        "bn3": "_bn2",
    }
    return f"_blocks.{flat}.{(later if flat else first)[module]}.{leaf}"


_PUBLISHED = {
    "Paddle 2.2": _new_paddle,
    "Paddle 2.0": _old_paddle,
    "RT-DETR": _rt_detr,
    "EfficientNet-PyTorch": _efficientnet,
}
