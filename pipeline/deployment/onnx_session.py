"""Read the ONNX file of a packaged model. Does not import torch."""

import json
from pathlib import Path

import numpy as np
import onnxruntime

from pipeline.base.errors import UserError
from pipeline.deployment.description import Description, checked

INPUT = "images"
OUTPUTS = ("logits", "probabilities")


def session(source: bytes | Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open an ONNX model on the CPU; each run takes ``threads``, or every core if that is 0.

    Raises UserError if it is not an ONNX model.
    """
    model = source if isinstance(source, bytes) else str(source)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common class but this
        reason = str(error).splitlines()[0]
        name = "exported model" if isinstance(source, bytes) else source
        raise UserError(f"{name}: not an ONNX model ({reason})") from None


def described(opened: onnxruntime.InferenceSession, path: Path) -> Description:
    """Return the description in the file. Raises UserError if evaluate did not write the file."""
    properties = opened.get_modelmeta().custom_metadata_map
    if "format" not in properties:
        raise UserError(
            f"{path}: an ONNX model without class names and preprocessing; "
            "only files that evaluate wrote can be used"
        )
    try:
        values = {name: json.loads(text) for name, text in properties.items()}
    except ValueError:
        raise UserError(f"{path}: its metadata are damaged; run evaluate again") from None
    description = checked(values, path)
    size, classes = description.image_size, len(description.classes)
    stated = {INPUT: [3, size, size], **{name: [classes] for name in OUTPUTS}}
    shapes = {each.name: each.shape[1:] for each in [*opened.get_inputs(), *opened.get_outputs()]}
    for name, shape in stated.items():
        if shapes.get(name) != shape:
            raise UserError(
                f"{path}: {name} has the shape {shapes.get(name)} an image, but the metadata say "
                f"{shape}. The file is damaged; run evaluate again"
            )
    return description


def as_input(images: np.ndarray) -> np.ndarray:
    """Convert uint8 [N, S, S, 3] to the graph's input: float32 [N, 3, S, S] from 0 to 255."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32)
