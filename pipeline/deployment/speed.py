"""Measure the size and the speed of a packaged model on this machine."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.deployment.onnx_session import INPUT, session
from pipeline.settings.machine import hardware

SECONDS = 1.0
"""Least time for which each batch size is measured."""
RUNS = 5
"""Least number of runs of each batch size."""
BATCH = 32


@dataclass(frozen=True)
class Cost:
    """The size and the speed of a model in onnxruntime on the processor, without decoding."""

    megabytes: float
    """Of the ONNX file."""
    alone_ms: float
    """Milliseconds of one image alone: the median run."""
    batch_ms: float
    """Milliseconds for each image of a batch of 32: the median run."""
    machine: str


def measure_cost(onnx: Path, side: int) -> Cost:
    """Run the ONNX file on images of this side, in pixels, for some seconds."""
    opened = session(onnx)

    def milliseconds(images: int) -> float:
        values = np.zeros((images, 3, side, side), np.float32)
        opened.run(["logits"], {INPUT: values})  # the first run allocates memory
        times: list[float] = []
        while len(times) < RUNS or sum(times) < SECONDS:
            start = time.perf_counter()
            opened.run(["logits"], {INPUT: values})
            times.append(time.perf_counter() - start)
        return 1000 * statistics.median(times) / images

    return Cost(
        megabytes=onnx.stat().st_size / 1e6,
        alone_ms=milliseconds(1),
        batch_ms=milliseconds(BATCH),
        machine=hardware("cpu"),
    )
