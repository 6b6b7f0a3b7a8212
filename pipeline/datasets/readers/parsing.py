"""Read the small lists in archives, with errors that name the file and the line."""

import codecs
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from pipeline.base.errors import UserError
from pipeline.base.text import printable
from pipeline.datasets.tree import children, regular_bytes

T = TypeVar("T")


def lines(path: Path) -> list[str]:
    """Return the lines that are not blank, stripped. Reads UTF-8, or GBK as PaddleClas does."""
    return [line for _, line in numbered_lines(path)]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that are not blank, stripped, each with its number in the file, from 1."""
    text = io.StringIO(text_of(path, gbk=True), None)  # None: any line ends
    stripped = enumerate((line.strip() for line in text), start=1)
    return [(number, line) for number, line in stripped if line]


def text_of(path: Path, *, gbk: bool = False, lenient: bool = False) -> str:
    """Read a text file in UTF-8, with or without a byte order mark, or in GBK if ``gbk`` is set.

    ``lenient`` reads any encoding that contains ASCII; other characters are then wrong. Raises
    UserError.
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
    """Decode Chinese text; return None if it is not Chinese.

    In Chinese text nearly all second bytes are above 127. If most are letters, the text is in
    another language, where an accented letter is followed by a plain one.
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
    return "it is not text" if b"\0" in data else "perhaps Latin-1 or Windows-1252"


def _utf16(data: bytes) -> str | None:
    """Return the UTF-16 codec, or None: in most languages one of a letter's two bytes is 0."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [data[start:200:2].count(0) for start in (0, 1)]
    if max(zeros) * 5 < min(len(data), 200):
        return None
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


def parsed(path: Path, parse: Callable[[str], T]) -> Iterator[T]:
    """Yield ``parse(line)`` for each line; a ValueError becomes a UserError naming the line."""
    for number, line in numbered_lines(path):
        try:
            yield parse(line)
        except (ValueError, IndexError) as error:
            raise UserError(f"{path}, line {number}: {line!r} is not right: {error}") from error


def inside(name: str) -> str:
    """Return ``name``. Raises ValueError if it leads out of the folder it is relative to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} leads out of the dataset")
    return name


def within(root: Path, name: str) -> str:
    """Return ``name`` as a path relative to ``root``. Raises ValueError if it leads out of it."""
    path = Path(os.path.normpath(root.absolute() / name))
    for folder in (Path(os.path.normpath(root.absolute())), root.resolve()):
        if path != folder and path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    raise ValueError(f"{name!r} is not in the folder {root}")


def with_slashes(root: Path, names: Iterable[str]) -> bool:
    r"""Return whether ``\`` means ``/``: no path exists as it is written, but all do with ``/``."""
    written = [name for name in names if "\\" in name]
    if not written or any(_exists(root, name) for name in written):
        return False
    return all(_exists(root, name.replace("\\", "/")) for name in written)


def _exists(root: Path, name: str) -> bool:
    """Return whether a path exists; ``..`` takes away the name before it, as in :func:`within`."""
    return os.path.lexists(os.path.normpath(root / name))


def require_some(file: Path, names: Sequence[str]) -> None:
    """Raise UserError if no image that ``file`` lists exists: its paths must mean something else.

    ``names`` are the paths as they are written there.
    """
    root = file.parent
    if not names or any(_exists(root, name) for name in names):
        return
    first = names[0]
    hint = ""
    if "://" in first:
        hint = " Those are addresses: download the images, and list the files."
    elif "\\" in first:
        hint = " The paths hold backslashes: write / between folders, and check the folders."
    elif around := [each for each in children(root).folders if _exists(each, first)]:
        inner = printable(around[0].name)
        hint = f" {first[:200]!r} is in {inner}: write {inner}/ before the paths of images there."
    elif "." not in PurePosixPath(first).name:
        hint = " The names have no ending such as .jpg: write them as the files are called."
    raise UserError(
        f"{file}: none of its {len(names)} images is there, such as {first[:200]!r} in "
        f"{root}.{hint} Paths are relative to the folder of {printable(file.name)}."
    )


def matlab(path: Path, *keys: str) -> list[np.ndarray]:
    """Read variables of a MATLAB 5 file as arrays without axes of length 1."""
    from scipy.io import loadmat  # slow to import

    try:
        content: dict[str, Any] = loadmat(str(path), squeeze_me=True)
        return [np.atleast_1d(content[key]) for key in keys]
    except (OSError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{path} is not the MATLAB file expected, with {', '.join(keys)} ({error})"
        ) from error
