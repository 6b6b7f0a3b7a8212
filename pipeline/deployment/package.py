"""Write the model folder that people use elsewhere: weights, description and ONNX file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from pipeline.base.files import replacing, write_json
from pipeline.deployment.description import Description
from pipeline.deployment.network import load
from pipeline.deployment.onnx_export import export
from pipeline.deployment.predictor import DESCRIPTION, ONNX, WEIGHTS


def package(description: Description, weights: Path, images: np.ndarray, folder: Path) -> None:
    """Write the model ``folder`` from the safetensors file of a final trial.

    The ONNX file is checked on ``images``, uint8 [N, S, S, 3]. Raises OnnxMismatchError if it
    computes something else than PyTorch.
    """
    network = load(description, weights)
    with replacing(folder / WEIGHTS) as temporary:
        shutil.copyfile(weights, temporary)
    write_json(folder / DESCRIPTION, description.model_dump())
    export(network, description, images, folder / ONNX)
