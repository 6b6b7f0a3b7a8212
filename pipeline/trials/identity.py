"""Compute a trial's key, a digest of everything that decides its numbers. Does not import torch."""

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
"""Packages whose version is in the key, because another version may compute other numbers."""


@dataclass(frozen=True)
class Environment:
    """The data, weights and machine settings of a trial, with every ``auto`` resolved."""

    data_digest: str
    weights_digest: str
    precision: str
    device: str
    threads: int
    simulated: str | None = None
    """Digest of the table that replaces training in a dry run; None when trials are trained."""


@cache
def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _VERSIONS}


def identity(cfg: Config, purpose: str, environment: Environment) -> dict[str, Any]:
    """Return everything that decides a trial's numbers, as plain data.

    Values of the configuration count, the names of its files do not. The objective counts where it
    chooses the epoch that is reported; elsewhere it follows from the metrics of the same training.
    Settings that change no metric are left out: where crops are cut, time limits, and threads when
    an accelerator computes. The kind of processor is left out too. It only changes the rounding,
    and is recorded with the result.
    """
    plain: dict[str, Any] = {
        "purpose": purpose,
        "data": environment.data_digest,
        "weights": environment.weights_digest,
        "model": {"arch": cfg.model.arch, "mean": cfg.model.mean, "std": cfg.model.std},
        "recipe": cfg.recipe.model_dump(exclude={"name"}),
        "protocol": cfg.protocol.name,
        "best_epoch_by": cfg.objective if cfg.protocol.name == "paddle" else None,
        "point": cfg.point.model_dump(),
        "seed": cfg.seed,
        "precision": environment.precision,
        "compile": cfg.machine.compile,
        "device": environment.device,
        "threads": environment.threads if environment.device == "cpu" else None,
        "versions": versions(),
        "code": deciding_code(),
    }
    if environment.simulated is not None:
        plain["simulated"] = [environment.simulated, cfg.objective]  # a table may lack a metric
    return plain


def key_of(plain: Any) -> str:
    """Return the sha256 of plain data, written as canonical JSON."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
