"""Export the model as one ONNX file with normalisation, class names and preprocessing inside."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from pipeline.base.files import write_bytes
from pipeline.deployment.description import Description
from pipeline.deployment.network import PackagedNetwork
from pipeline.deployment.onnx_file import INPUT, OUTPUTS, as_input, session

TOLERANCE = 1e-4
"""Largest difference of a logit or a probability from PyTorch's, on real images."""


class OnnxMismatchError(RuntimeError):
    """The exported file does not compute the same as the network; it was not kept."""


def export(
    network: PackagedNetwork, description: Description, images: np.ndarray, path: Path
) -> None:
    """Write ``path`` if onnxruntime agrees with PyTorch on ``images``, uint8 [N, S, S, 3].

    The same network gives the same bytes. Raises OnnxMismatchError if a value differs by more than
    ``TOLERANCE``; an older file then stays as it was.
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
    _compare(network, session(data), images)
    write_bytes(path, data)


def _traced(network: PackagedNetwork, size: int) -> onnx.ModelProto:
    """Trace the graph for any batch size, without the exporter's notes on this machine's files."""
    example = torch.zeros(2, 3, size, size)
    batch = {INPUT: {0: torch.export.Dim("N")}}
    # The exporter prints on stdout and stderr about itself and converters that it does not need.
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, warnings.catch_warnings(), _silent("torch.onnx"), _silent("onnxscript"):
        warnings.simplefilter("ignore")
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
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _compare(
    network: PackagedNetwork, opened: onnxruntime.InferenceSession, images: np.ndarray
) -> None:
    values = as_input(images)
    with torch.inference_mode():
        expected = network(torch.from_numpy(values))
    found = opened.run(list(OUTPUTS), {INPUT: values})
    for name, one, other in zip(OUTPUTS, expected, found, strict=True):
        difference = float(np.abs(one.numpy() - other).max())
        if not difference <= TOLERANCE:  # NaN included
            raise OnnxMismatchError(
                f"the {name} of the exported model differ from PyTorch's by {difference:.2g}, more "
                f"than {TOLERANCE:g}, on {len(images)} images"
            )
