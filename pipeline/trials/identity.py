"""The key of a trial: a digest of everything that decides what it computes. No torch in here."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.settings.schema import Config

_PACKAGE = Path(__file__).resolve().parents[1]
DECIDING = (
    "training/*.py",
    "models/*.py",
    "datasets/manifest.py",
    "datasets/pixels.py",
)
"""The modules that decide what a trial computes, relative to the package."""
_VERSIONS = ("torch", "torchvision", "timm")


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


@cache
def code_digest() -> str:
    """sha256 of the deciding modules with comments and docstrings left out."""
    files = sorted({path for pattern in DECIDING for path in _PACKAGE.glob(pattern)})
    return digest_of_code((str(path.relative_to(_PACKAGE)), path.read_text()) for path in files)


def digest_of_code(modules: Iterable[tuple[str, str]]) -> str:
    """sha256 over (name, source) pairs; layout, comments and docstrings do not count."""
    digest = hashlib.sha256()
    for name, source in modules:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
        digest.update(f"{name}\0{ast.unparse(tree)}\0".encode())
    return digest.hexdigest()


def _is_text(node: ast.stmt) -> bool:
    """A docstring, of a definition or of a constant: a bare string that does nothing."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def identity(cfg: Config, purpose: str, environment: Environment) -> dict[str, Any]:
    """Everything that decides the numbers of a trial, as plain data.

    The names of configurations do not count, their values do. What changes neither a curve nor
    an objective (workers, time limits) stays out.
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
        "threads": environment.threads,
        "versions": versions(),
        "code": code_digest(),
    }
    if environment.simulated is not None:
        plain["simulated"] = environment.simulated
    return plain


def key_of(plain: Any) -> str:
    """sha256 of plain data in canonical JSON."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
