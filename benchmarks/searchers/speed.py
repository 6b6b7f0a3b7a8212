"""What one tell and one ask cost on large searches, each measured in a process of its own."""

from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from hydra_skopt_sweeper.dimensions import Dimension, Levels, Span, from_unit
from hydra_skopt_sweeper.engine import Engine

CASES = (("6 intervals", 200), ("19,600 points", 100), ("196 points", 34))


def speeds() -> list[dict[str, Any]]:
    """Processor seconds and megabytes of one tell and one ask per case, the median of three."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.starmap(_measure, CASES, chunksize=1)


def _space(name: str) -> list[Dimension]:
    if name == "6 intervals":
        return [Span.real(0.0, 1.0)] * 6
    sides = (14, 14, 10, 10) if name == "19,600 points" else (7, 7, 2, 2)
    return [Levels.evenly(side) for side in sides]


def _measure(name: str, known: int) -> dict[str, Any]:
    space = _space(name)
    rng = np.random.default_rng(0)
    points = list(dict.fromkeys(from_unit(space, rng.random((known, len(space))))))
    values = [-float(sum((x - 0.3) ** 2 for x in point) + rng.normal()) for point in points]
    before = _peak_kib()
    seconds = []
    for _ in range(3):
        engine = Engine(space, n_initial=0)
        engine.tell(points, values)
        start = process_time()
        engine.ask()
        seconds.append(process_time() - start)
    return {
        "space": name,
        "known": len(points),
        "seconds": float(np.median(seconds)),
        "mb": (_peak_kib() - before) / 1024,
    }


def _peak_kib() -> int:
    """The most memory that this process had, which getrusage mixes with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
