"""The key of a trial: a digest of everything that decides what it computes. No torch in here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from pipeline.settings.schema import Config
from pipeline.trials.deciding_code import deciding_code

_VERSIONS = (
    "torch",
    "torchvision",
    "timm",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "pillow",
)
"""The packages that compute: another version of one may compute other numbers."""


@dataclass(frozen=True)
class Environment:
    """What a trial runs with, resolved: never ``auto``."""

    data_digest: str
    weights_digest: str
    precision: str
    device: str
    threads: int
    simulated: str | None = None
    """Digest of the table that stands for training; None where trials are trained."""


@cache
def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _VERSIONS}


def identity(cfg: Config, purpose: str, environment: Environment) -> dict[str, Any]:
    """Everything that decides the numbers of a trial, as plain data.

    The names of configurations do not count, their values do. What changes neither a curve nor
    an objective (workers, time limits, the threads beside an accelerator) stays out, and so does
    the kind of processor: it changes the rounding and is recorded with the result.
    """
    plain = {
        "purpose": purpose,
        "data": environment.data_digest,
        "weights": environment.weights_digest,
        "model": {"arch": cfg.model.arch, "mean": cfg.model.mean, "std": cfg.model.std},
        "recipe": cfg.recipe.model_dump(exclude={"name"}),
        "protocol": cfg.protocol.name,
        "point": cfg.point.model_dump(),
        "seed": cfg.seed,
        "precision": environment.precision,
        "device": environment.device,
        "threads": environment.threads if environment.device == "cpu" else None,
        "versions": versions(),
        "code": deciding_code(),
    }
    if environment.simulated is not None:
        plain["simulated"] = environment.simulated
    return plain


def key_of(plain: Any) -> str:
    """sha256 of plain data in canonical JSON."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
