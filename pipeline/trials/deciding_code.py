"""Identify the code that decides what a trial computes, for its key. Does not import torch."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.errors import UserError
from pipeline.base.files import write_text

TRIAL_VERSION = 3
"""Raise it by hand when the code computes other numbers; `make verify-trials` says when."""

PACKAGE = Path(__file__).resolve().parents[1]
DECIDING = (
    "training/*.py",
    "models/*.py",
    "datasets/manifest.py",
    "datasets/pixels.py",
    "trials/simulated.py",
)
"""The modules that decide what a trial computes, relative to the package."""
_VERIFIED = "trials/verified.yaml"
_COMMENT = """\
# Written by `make verify-trials`: digests of deciding code that computes the golden trials of this
# version. A key holds the version only while the code's digest is listed here.
"""


@dataclass(frozen=True)
class Verified:
    """The digests listed for one version, oldest first."""

    version: int
    digests: tuple[str, ...]

    @classmethod
    def load(cls, package: Path = PACKAGE) -> Verified:
        """Read the list in ``package``; a missing file counts as an empty list.

        Raises UserError when the file is damaged, for example by a merge conflict.
        """
        path = package / _VERIFIED
        if not path.is_file():
            return cls(0, ())
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls(int(content["version"]), tuple(map(str, content["digests"])))
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path} is damaged ({type(error).__name__}). Take either side of a merge, "
                "then run `make verify-trials`."
            ) from None

    def write(self, package: Path = PACKAGE) -> None:
        lines = "".join(f"- {digest}\n" for digest in self.digests)
        text = f"{_COMMENT}version: {self.version}\ndigests:\n{lines}"
        write_text(package / _VERIFIED, text)


@cache
def deciding_code(package: Path = PACKAGE) -> str:
    """Return what identifies the code in a key: its version if verified, else its digest.

    The first digest verified for the version is added. Two branches may use the same number for
    different changes, and their trials can meet in a team's journal.
    """
    digest, verified = code_digest(package), Verified.load(package)
    if verified.version != TRIAL_VERSION or digest not in verified.digests:
        return digest
    return f"version {TRIAL_VERSION}, first {verified.digests[0][:16]}"


@cache
def code_digest(package: Path = PACKAGE) -> str:
    """Return the sha256 of the deciding modules with comments and docstrings left out."""
    files = sorted({path for pattern in DECIDING for path in package.glob(pattern)})
    return digest_of_code(
        (path.relative_to(package).as_posix(), path.read_text()) for path in files
    )


def digest_of_code(modules: Iterable[tuple[str, str]]) -> str:
    """Return a sha256 over (name, source) pairs that ignores layout, comments and docstrings.

    Every version of Python that parses the source alike gives the same digest. ``ast.unparse`` and
    ``ast.dump`` would not: their output changes from version to version.
    """
    digest = hashlib.sha256()
    for name, source in modules:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
        digest.update(f"{name}\0{_plain(tree)!r}\0".encode())
    return digest.hexdigest()


def _plain(node: Any) -> Any:
    """Return a tree as lists, without empty fields: new versions of Python add such fields."""
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if name != "kind"]
        filled = [[name, _plain(value)] for name, value in fields if value not in (None, [])]
        return [type(node).__name__, *filled]
    return [_plain(each) for each in node] if isinstance(node, list) else node


def _is_text(node: ast.stmt) -> bool:
    """Return whether a statement is a bare string, such as the docstring of a function."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
