"""Open a packaged model for prediction, from PyTorch weights or from ONNX."""

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
    """A model ready for prediction.

    ``probabilities`` maps images from ``description.image``, uint8 [N, S, S, 3], to [N, K].
    """

    description: Description
    probabilities: Callable[[np.ndarray], np.ndarray]


def load(path: Path) -> Predictor:
    """Open a model folder or its ONNX file; the ONNX file is used without importing PyTorch.

    Raises UserError if evaluate did not write the model.
    """
    return _from_onnx(path) if path.suffix == ".onnx" else _from_weights(path)


def _from_weights(folder: Path) -> Predictor:
    description = read(folder / DESCRIPTION)
    import torch  # takes seconds, so only once there is a model

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
