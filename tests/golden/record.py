"""The recorded numbers of the golden trials, and how numbers are compared with them."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.base.files import write_text
from pipeline.trials.identity import versions
from tests.golden.cases import Case

RECORD = Path(__file__).with_name("trials.json")
TOLERANCE = 1e-5
"""Relative difference allowed where other hardware or another library rounds differently."""


@dataclass(frozen=True)
class Place:
    """What decides the rounding of a number beside the code."""

    processor: str
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Place:
        kind = {"vendor_id": "", "cpu family": "", "model": "", "model name": ""}
        if (path := Path("/proc/cpuinfo")).exists():
            lines = [line.partition(":") for line in path.read_text().splitlines()]
            kind |= {k.strip(): v.strip() for k, _, v in lines if k.strip() in kind}
        name = " ".join(kind.values()).strip() or platform.processor() or platform.machine()
        return cls(f"{name}, {torch.backends.cpu.get_cpu_capability()}", versions())


@dataclass(frozen=True)
class Record:
    """Where the golden trials were computed, each trial and its numbers, by name."""

    place: Place
    cases: dict[str, Case]
    numbers: dict[str, dict[str, Any]]

    @classmethod
    def load(cls, path: Path = RECORD) -> Record | None:
        if not path.exists():
            return None
        content = json.loads(path.read_text())
        return cls(Place(**content["place"]), content["cases"], content["numbers"])

    def write(self, path: Path = RECORD) -> None:
        """Write one line per trial, so that a difference shows which trial it is of."""
        parts = [f'"place": {json.dumps(asdict(self.place), indent=1)}']
        for name in ("cases", "numbers"):
            rows = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in getattr(self, name).items()]
            parts.append(f'"{name}": {{\n' + ",\n".join(rows) + "\n}")
        write_text(path, "{" + ",\n".join(parts) + "}\n")


def difference(recorded: Any, computed: Any, tolerance: float) -> str | None:
    """Say where two numbers, or lists and dicts of them, differ most; None where they agree.

    ``tolerance`` is relative; in a list of floats, to the largest of them.
    """
    differing = sorted(_differences(recorded, computed, "", None), reverse=True)
    if not differing or differing[0][0] <= tolerance:
        return None
    relative, place, old, new = differing[0]
    return f"{place}: {old}, now {new} (relative difference {relative:.1e})"


def _differences(
    old: Any, new: Any, place: str, scale: float | None
) -> Iterator[tuple[float, str, str, str]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and old.keys() == new.keys():
        for name in old:
            yield from _differences(old[name], new[name], f"{place}/{name}", None)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        floats = [abs(value) for value in old if isinstance(value, float)]
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(*pair, f"{place}/{number}", max(floats, default=None))
    elif isinstance(old, float) and isinstance(new, float):
        if old != new:
            relative = abs(old - new) / (scale or max(abs(old), abs(new)))
            yield (relative if math.isfinite(relative) else math.inf), place, repr(old), repr(new)
    elif old != new:
        yield math.inf, place, f"{old!r:.60}", f"{new!r:.60}"
