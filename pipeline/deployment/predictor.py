"""A packaged model ready for use, from PyTorch weights or from ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.deployment.description import Description, read

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
ONNX = "model.onnx"


@dataclass(frozen=True)
class Predictor:
    """``probabilities`` maps uint8 [N, S, S, 3], as ``description.image`` gives them, to [N, K]."""

    description: Description
    probabilities: Callable[[np.ndarray], np.ndarray]


def load(path: Path) -> Predictor:
    """Open a model folder, or an ONNX file of one, which needs no PyTorch to be imported.

    Raises UserError for whatever is not a model that evaluate wrote.
    """
    return _from_onnx(path) if path.suffix == ".onnx" else _from_weights(path)


def _from_weights(folder: Path) -> Predictor:
    description = read(folder / DESCRIPTION)
    import torch  # seconds: only once there is a model

    from pipeline.deployment.network import load as load_network

    network = load_network(description, folder / WEIGHTS)

    def probabilities(images: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            found: np.ndarray = network(values)[1].numpy()
        return found

    return Predictor(description, probabilities)


def _from_onnx(path: Path) -> Predictor:
    from pipeline.deployment.onnx_file import INPUT, as_input, described, session

    opened = session(path)

    def probabilities(images: np.ndarray) -> np.ndarray:
        found: np.ndarray = opened.run(["probabilities"], {INPUT: as_input(images)})[0]
        return found

    return Predictor(described(opened, path), probabilities)
