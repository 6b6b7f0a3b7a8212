"""Small lists as the archives hold them, read with errors that name the file and the line."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from pipeline.base.errors import UserError
from pipeline.datasets.tree import regular_bytes

T = TypeVar("T")


def lines(path: Path) -> list[str]:
    """The lines that are not blank, without surrounding blanks. UTF-8, else GBK as PaddleClas."""
    return [line for _, line in numbered_lines(path)]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Like :func:`lines`, each with its number in the file, from 1."""
    stripped = enumerate((line.strip() for line in text_of(path, gbk=True).split("\n")), start=1)
    return [(number, line) for number, line in stripped if line]


def text_of(path: Path, *, gbk: bool = False, lenient: bool = False) -> str:
    """Read a text file in UTF-8, with or without its mark, or where allowed in GBK.

    ``lenient`` reads any encoding that keeps ASCII, with other characters wrong. Raises UserError.
    """
    try:
        data = regular_bytes(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if lenient and (wide := _utf16(data)):
        return data.decode(wide, errors="replace")
    try:
        text = data.decode("utf-8-sig")
        if "\0" not in text:
            return text
        raise UnicodeDecodeError("utf-8", data, data.index(0), data.index(0) + 1, "not text")
    except UnicodeDecodeError as error:
        if lenient:
            return data.decode("latin-1")
        if gbk and (chinese := _gbk(data)) is not None:
            return chinese
        number = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {number}: the file is not UTF-8 ({_guess(data)}). Save it as UTF-8 "
            '("CSV UTF-8" or "Encoding: UTF-8" in the dialog of your program) and run it again.'
        ) from None


def _gbk(data: bytes) -> str | None:
    """Decode Chinese text; None for what is none.

    In Chinese text nearly all second bytes are above 127; where most are letters, it is a text of
    another language, in which a letter with an accent comes before one without.
    """
    try:
        text = data.decode("gbk")
    except UnicodeDecodeError:
        return None
    second = [encoded[-1] for char in text if len(encoded := char.encode("gbk")) == 2]
    return text if sum(byte > 127 for byte in second) * 2 > len(second) else None


def _guess(data: bytes) -> str:
    if _utf16(data):
        return "it looks like UTF-16"
    return "it is no text" if b"\0" in data else "perhaps Latin-1 or Windows-1252"


def _utf16(data: bytes) -> str | None:
    """Return the codec of text in two bytes a letter, of which one is 0 in most languages."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [data[start:200:2].count(0) for start in (0, 1)]
    if max(zeros) * 5 < min(len(data), 200):
        return None
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


def parsed(path: Path, parse: Callable[[str], T]) -> Iterator[T]:
    """``parse`` of each line; its ValueError becomes a UserError naming the line."""
    for number, line in numbered_lines(path):
        try:
            yield parse(line)
        except (ValueError, IndexError) as error:
            raise UserError(f"{path}, line {number}: {line!r} is not right: {error}") from error


def inside(name: str) -> str:
    """``name`` unless it leads out of the folder it is relative to, which is a ValueError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} leads out of the dataset")
    return name


def within(root: Path, name: str) -> str:
    """Return ``name`` as a path relative to ``root``; ValueError for one that leads out of it."""
    path = Path(os.path.normpath(root.absolute() / name))
    for folder in (Path(os.path.normpath(root.absolute())), root.resolve()):
        if path != folder and path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    raise ValueError(f"{name!r} leads out of the folder {root}: it is not in it")


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
