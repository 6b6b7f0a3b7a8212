"""Open a packaged model for prediction: on an accelerator if there is one, else with ONNX."""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.base.errors import UserError
from pipeline.base.text import gist
from pipeline.deployment.description import Description, read

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
ONNX = "model.onnx"
EXAMPLE = "example.py"
CARD = "README.md"
WITH_PREPROCESSING = "model_with_preprocessing.onnx"
_DRIVER = Path("/dev/nvidiactl")
"""There is an accelerator only where this file of its driver is."""


PIXELS = 32 * 384**2
"""Of all images that are in a network at once. A ResNet50_vd takes about 140 bytes for each."""
ACCELERATED_PIXELS = 4 * PIXELS


@dataclass(frozen=True)
class Predictor:
    """A model ready for prediction, in several threads at once.

    ``probabilities`` maps images from ``description.image``, uint8 [N, S, S, 3], to [N, K].
    """

    description: Description
    probabilities: Callable[[np.ndarray], np.ndarray]
    pixels: int = PIXELS
    """Pixels for which there is memory, of all images in the network at once."""


def load(path: Path) -> Predictor:
    """Open a model folder or its ONNX file.

    An accelerator computes the folder's weights in PyTorch; else onnxruntime computes the ONNX
    file, and PyTorch is not imported. Raises UserError if evaluate did not write the model.
    """
    if path.suffix == ".onnx":
        return _from_onnx(path)
    description = read(path / DESCRIPTION)
    if accelerated := _accelerated(description, path / WEIGHTS):
        return accelerated
    predictor = _from_onnx(path / ONNX)
    if predictor.description != description:
        raise UserError(
            f"{path}: {DESCRIPTION} and {ONNX} describe two different models; run evaluate again"
        )
    return predictor


def _accelerated(description: Description, weights: Path) -> Predictor | None:
    """Open the weights on the accelerator; return None without one that works."""
    if not _DRIVER.exists():  # importing torch takes seconds
        return None
    import torch

    from pipeline.deployment.network import load as load_network
    from pipeline.settings.accelerators import use_freest_device
    from pipeline.training.devices import as_delivered, start

    if not torch.cuda.is_available():
        return None
    use_freest_device()
    try:
        start("cuda")
    except UserError as error:
        print(
            "warning: predicting on the processor, not on the accelerator: CUDA does not start: "
            f"{gist(error.__cause__)}",
            file=sys.stderr,
        )
        return None
    network = load_network(description, weights).to("cuda")
    one_at_a_time = threading.Lock()  # the setting of TF32 belongs to the whole process

    def probabilities(images: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(images).to("cuda").permute(0, 3, 1, 2).float()
        with one_at_a_time, torch.inference_mode(), as_delivered("cuda"):
            shares: np.ndarray = network(values)[1].cpu().numpy()
        return shares

    return Predictor(description, probabilities, ACCELERATED_PIXELS)


def _from_onnx(path: Path) -> Predictor:
    from pipeline.deployment.onnx_session import INPUT, as_input, described, session

    opened = session(path, threads=1)

    def probabilities(images: np.ndarray) -> np.ndarray:
        shares: np.ndarray = opened.run(["probabilities"], {INPUT: as_input(images)})[0]
        return shares

    return Predictor(described(opened, path), probabilities)
