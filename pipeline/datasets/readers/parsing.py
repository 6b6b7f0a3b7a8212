"""Small lists as the archives hold them, read with errors that name the file and the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from pipeline.base.errors import UserError

T = TypeVar("T")


def lines(path: Path) -> list[str]:
    """The lines that are not blank, without surrounding blanks. UTF-8, else GBK as PaddleClas."""
    try:
        data = path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("gbk")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}). Is the archive whole?") from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def parsed(path: Path, parse: Callable[[str], T]) -> Iterator[T]:
    """``parse`` of each line; its ValueError becomes a UserError naming the line."""
    for number, line in enumerate(lines(path), start=1):
        try:
            yield parse(line)
        except (ValueError, IndexError) as error:
            raise UserError(f"{path}, entry {number}: {line!r} is not right ({error})") from error


def inside(name: str) -> str:
    """``name`` unless it leads out of the folder it is relative to, which is a ValueError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} leads out of the dataset")
    return name


def within(root: Path, name: str) -> str:
    """A path relative to ``root``; ValueError for one that leads out of it."""
    path = Path(name)
    if path.is_absolute():
        if not path.is_relative_to(root.absolute()):
            raise ValueError(f"{name!r} is not in {root}")
        path = path.relative_to(root.absolute())
    return inside(path.as_posix())


def matlab(path: Path, *keys: str) -> list[np.ndarray]:
    """Variables of a MATLAB 5 file, squeezed."""
    from scipy.io import loadmat  # slow to import

    try:
        content: dict[str, Any] = loadmat(str(path), squeeze_me=True)
        return [np.atleast_1d(content[key]) for key in keys]
    except (OSError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{path} is not the MATLAB file expected, with {', '.join(keys)} ({error})"
        ) from error
