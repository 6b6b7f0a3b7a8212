"""Export the model as one ONNX file with normalisation, class names and preprocessing inside."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from pipeline.base.files import write_bytes
from pipeline.deployment.description import Description
from pipeline.deployment.network import PackagedNetwork
from pipeline.deployment.onnx_session import INPUT, OUTPUTS, as_input, session

TOLERANCE = 1e-3
"""Largest difference of a logit from PyTorch's, relative to the largest logit, or to 1 if lower."""


class OnnxMismatchError(RuntimeError):
    """The exported file does not compute the same as the network; it was not kept."""


@dataclass(frozen=True)
class Measured:
    """Images, and what PyTorch computed for them when the network was measured."""

    batches: Iterable[np.ndarray]
    """The images as the network receives them: uint8 [N, S, S, 3] each."""
    logits: np.ndarray
    """Float32 [N, K], a row for each image of all batches."""


def export(
    network: PackagedNetwork, description: Description, measured: Measured, path: Path
) -> np.ndarray:
    """Write ``path`` if onnxruntime agrees with PyTorch on the measured images.

    Returns onnxruntime's logits of these images. The same network gives the same bytes. Raises
    OnnxMismatchError if a logit differs by more than ``TOLERANCE``; an older file then stays.
    """
    model = _traced(network, description.image_size)
    model.doc_string = (
        f"{description.title}: {description.arch} with {len(description.classes)} classes. Input "
        f"{INPUT}: float32 [N, 3, {description.image_size}, {description.image_size}], RGB from 0 "
        "to 255, not normalised: the graph does that. The metadata say how images are decoded, "
        "resized and cropped, and name the classes in the order of the outputs (JSON values)."
    )
    for name, value in description.model_dump().items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, json.dumps(value, ensure_ascii=False)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    logits = _agreeing(session(data), measured)
    write_bytes(path, data)
    return logits


def _traced(network: PackagedNetwork, size: int) -> onnx.ModelProto:
    """Trace the graph for any batch size, without the exporter's notes on this machine's files."""
    example = torch.zeros(2, 3, size, size)
    batch = {INPUT: {0: torch.export.Dim("N")}}
    with _silence():  # the exporter reports on itself and on converters it does not need
        program = torch.onnx.export(
            network,
            (example,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=batch,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
    return model


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what is printed, logged below ERROR or warned of from the terminal."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _agreeing(opened: onnxruntime.InferenceSession, measured: Measured) -> np.ndarray:
    """Return the file's logits of the measured images. Raises OnnxMismatchError if they differ."""
    run = [opened.run(["logits"], {INPUT: as_input(images)})[0] for images in measured.batches]
    logits: np.ndarray = np.concatenate(run)
    difference = float(np.abs(logits - measured.logits).max())
    allowed = TOLERANCE * max(1.0, float(np.abs(measured.logits).max()))
    if not difference <= allowed:  # NaN included
        raise OnnxMismatchError(
            f"the logits of the exported model differ from PyTorch's by {difference:.2g}, more "
            f"than {allowed:.2g}, on {len(logits)} images"
        )
    return logits
