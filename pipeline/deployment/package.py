"""Write the model folder that people use elsewhere: weights, description, ONNX file, example."""

import shutil
from pathlib import Path

import numpy as np

from pipeline.base.files import replacing, write_bytes, write_json
from pipeline.deployment import example
from pipeline.deployment.description import Description
from pipeline.deployment.network import load
from pipeline.deployment.onnx_export import Measured, export
from pipeline.deployment.predictor import DESCRIPTION, EXAMPLE, ONNX, WEIGHTS


def package(
    description: Description, weights: Path, measured: Measured, folder: Path
) -> np.ndarray:
    """Write the model ``folder`` from the safetensors file of a final trial.

    Returns the logits of the measured images, computed by the ONNX file. Raises OnnxMismatchError
    if it computes something else than PyTorch did.
    """
    network = load(description, weights)
    with replacing(folder / WEIGHTS) as temporary:
        shutil.copyfile(weights, temporary)
    write_json(folder / DESCRIPTION, description.model_dump())
    write_bytes(folder / EXAMPLE, Path(example.__file__).read_bytes())
    return export(network, description, measured, folder / ONNX)
