"""Limit what the headers of an archive can cost, before a parser reads them.

tarfile reads a long name, a pax header and the map of a sparse file whole, and keeps every member;
zipfile makes an object for every entry of the directory before the first is looked at.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, cast

from pipeline.base.errors import UserError

MOST_HEADER = 2**16
"""Maximum bytes of headers before a member of a tar; a name has at most 4,096."""
MOST_EXTENSION = 2**14
"""Maximum bytes of a long name or pax header, which tarfile searches in quadratic time."""
MOST_ENTRIES = 250_000
"""Maximum number of entries in a zip. SUN397, the largest archive known here, has about 109,000."""
MOST_EXTRA = 2**10
"""Maximum bytes of an entry's extra fields, which zipfile reads in quadratic time."""
MOST_DIRECTORY = 2**25
"""Maximum bytes of a zip's directory."""
_MOST_DEFAULTS = 100
"""Maximum number of fields that global pax headers set for all later members."""
_EXTENSIONS = {
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
}
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4s24x3H12x")


class HeaderError(UserError):
    """An archive has headers that no genuine one has; the message continues "it holds"."""


class _Member(tarfile.TarInfo):
    """A header whose stated size is checked before its data are read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        _require_size(member)
        if member.type in _EXTENSIONS and not 0 <= member.size <= MOST_EXTENSION:
            raise HeaderError(f"a name or attributes of {member.size:,} bytes")
        return member


def _require_size(member: tarfile.TarInfo) -> None:
    """Raise HeaderError for a negative size, with which tarfile reads a header again and again."""
    if member.size < 0:
        raise HeaderError(f"{member.name!r}, a member of {member.size:,} bytes")


class _Metered(io.RawIOBase):
    """The unpacked bytes of a tar, with a limit on what the parser may read between members.

    ``left`` is the number of bytes that may still be read before the next member; None while the
    content of a member is read.
    """

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self._length = length
        self.left: int | None = MOST_HEADER

    def read(self, size: int = -1) -> bytes:
        if self.left is not None:
            if not 0 <= size <= self.left:
                raise HeaderError(f"more than {MOST_HEADER:,} bytes of headers before one member")
            self.left -= size
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if offset > self._length:
            raise HeaderError(f"more than {self._length:,} bytes")
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


Members = Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]
"""The members of a tar, each with its content if it is a regular file."""


def _members(tar: tarfile.TarFile, metered: _Metered) -> Members:
    """Yield the members of a tar; memory does not grow with their number or headers."""
    while True:
        metered.left = MOST_HEADER
        member = tar.next()
        if member is None:
            return
        _require_size(member)
        if len(tar.pax_headers) > _MOST_DEFAULTS:
            raise HeaderError(f"more than {_MOST_DEFAULTS} fields of global attributes")
        if member.issparse():
            raise HeaderError(f"{member.name!r}, which is a sparse file")
        metered.left = None
        yield member, tar.extractfile(member) if member.isfile() else None
        tar.members.clear()  # type: ignore[attr-defined]


@contextmanager
def opened_tar(source: IO[bytes], length: int) -> Iterator[Members | None]:
    """Open a plain or gzipped tar of at most ``length`` unpacked bytes; None if it is not a tar.

    Raises HeaderError, at once or while iterating, for headers that no genuine archive has.
    """
    zipped = source.read(2) == b"\x1f\x8b"
    source.seek(0)
    with ExitStack() as stack:
        stream = stack.enter_context(gzip.open(source)) if zipped else source
        metered = _Metered(cast(IO[bytes], stream), length)
        try:
            tar = tarfile.open(  # noqa: SIM115 - closed by the stack
                fileobj=cast(IO[bytes], metered), mode="r:", tarinfo=_Member
            )
        except (tarfile.ReadError, EOFError, OSError):
            source.seek(0)
            yield None
            return
        yield _members(stack.enter_context(tar), metered)


def check_zip_directory(source: IO[bytes]) -> None:
    """Raise HeaderError for a directory with more entries or bytes than any genuine zip has.

    The entries are counted as zipfile reads them, because the number in the file may be wrong.
    """
    length = source.seek(0, io.SEEK_END)
    tail_start = max(0, length - _END.size - 2**16)
    source.seek(tail_start)
    tail = source.read()
    position = tail.rfind(b"PK\5\6")
    if position < 0 or position + _END.size > len(tail):
        return  # zipfile says that it is damaged
    size = _END.unpack_from(tail, position)[5]
    end = tail_start + position
    locator = position - _LOCATOR_64.size
    if locator >= _END_64.size and tail.startswith(b"PK\6\7", locator):
        record = _END_64.unpack_from(tail, locator - _END_64.size)
        size, end = record[8], end - _LOCATOR_64.size - _END_64.size
    if size > MOST_DIRECTORY:
        raise HeaderError(f"a directory of {size:,} bytes")
    source.seek(max(0, end - size))
    directory = source.read(size)
    at = entries = 0
    while at + _ENTRY.size <= len(directory):
        signature, name, extra, comment = _ENTRY.unpack_from(directory, at)
        if signature != b"PK\1\2":
            break
        if extra > MOST_EXTRA:
            raise HeaderError(f"extra fields of {extra:,} bytes in an entry")
        entries += 1
        if entries > MOST_ENTRIES:
            raise HeaderError(f"more than {MOST_ENTRIES:,} entries")
        at += _ENTRY.size + name + extra + comment
    source.seek(0)
