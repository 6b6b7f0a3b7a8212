"""Unpack an untrusted archive: whole or not at all, and never outside its folder.

Members are copied one by one. Only bytes and folders are written, never a link, a device, an owner
or a mode. Python's own extraction filters came with 3.11.4, later than the oldest Python supported
here.
"""

from __future__ import annotations

import errno
import gzip
import posixpath
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from pipeline.base.errors import UserError
from pipeline.base.progress import bytes_bar
from pipeline.datasets.fetching.archive_headers import (
    HeaderError,
    Members,
    check_zip_directory,
    opened_tar,
)

CHUNK = 1 << 20
MOST_MEMBERS = 1_000_000
"""Maximum number of members. SUN397, the largest archive known here, has about 109,000."""
MOST_LINKS = 10_000
LONGEST_NAME = 4096
MOST_FOLDERS = 64
"""Maximum depth of nested folders in a member's name."""
LEAST_ALLOWANCE = 2**30
MOST_EXPANSION = 32
"""An archive may unpack to 1 GiB or 32 times its size, whichever is more. Photographs do not
shrink in an archive; a bomb expands a thousandfold."""
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RecursionError,
    ValueError,
)


def unpack(archive: Path, into: Path) -> None:
    """Unpack a plain or gzipped tar or a zip into the folder ``into``.

    ``into`` appears only when everything is unpacked, so an existing folder is complete. The next
    call removes what a killed process left; two processes must not unpack to ``into`` at once. A
    link becomes a copy of the member it names.

    Raises UserError, and leaves nothing behind, when a member would be outside ``into``, when a
    link points to anything but a file of the archive, for a device, when the archive exceeds
    MOST_MEMBERS or unpacks to more than LEAST_ALLOWANCE and MOST_EXPANSION allow, for headers that
    no genuine archive has (``archive_headers``), when the disk is too small, and for a damaged or
    unknown archive. Raises FileExistsError when ``into`` exists.
    """
    if into.exists():
        raise FileExistsError(f"{into} is there already")
    with (
        whole_folder(into) as folder,
        _explained(archive, into),
        archive.open("rb") as source,
        bytes_bar(f"unpacking {archive.name}", archive.stat().st_size) as bar,
    ):
        writer = _Writer(archive, folder, source, bar)
        try:
            with opened_tar(source, writer.allowance + LEAST_ALLOWANCE) as members:
                if members is not None:
                    _unpack_tar(members, writer)
                    return
            if not zipfile.is_zipfile(source):
                raise UserError(
                    f"{archive} is not a tar, tar.gz or zip file; fetch it again, or repack it "
                    "as one of these"
                )
            check_zip_directory(source)
            _unpack_zip(source, writer)
        except HeaderError as error:
            raise writer.refusal(str(error)) from None


def _unpack_tar(members: Members, writer: _Writer) -> None:
    links: dict[str, list[str]] = {}
    count = 0
    for member, content in members:
        if member.isdir():
            writer.folder(member.name)
        elif content is not None:
            with content:
                writer.file(member.name, content)
        elif member.islnk() or member.issym():
            target = member.linkname
            if member.issym():
                target = posixpath.join(posixpath.dirname(member.name), target)
            links.setdefault(posixpath.normpath(target), []).append(member.name)
            count += 1
            if count > MOST_LINKS:
                raise writer.refusal(f"more than {MOST_LINKS:,} links")
        else:
            raise writer.refusal(f"{member.name!r}, which is a device or a pipe")
    there = [target for target in links if writer.has(target)]
    while there:  # a link may name another
        target = there.pop()
        for name in links.pop(target, ()):
            writer.copy(name, target)
            there.append(posixpath.normpath(name))
    for target in links:
        raise writer.refusal(f"a link to {target!r}, which is not a file of it")


def _unpack_zip(source: IO[bytes], writer: _Writer) -> None:
    with zipfile.ZipFile(source) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.filename.endswith("/"):  # is_dir() fails for an empty name
                writer.folder(member.filename)
            elif kind not in (0, stat.S_IFREG):
                raise writer.refusal(f"{member.filename!r}, which is a link or a device")
            elif member.flag_bits & 1:
                raise writer.refusal(f"{member.filename!r}, which is encrypted")
            elif member.compress_type == zipfile.ZIP_LZMA:  # its dictionary may take gigabytes
                raise writer.refusal(f"{member.filename!r}, which is compressed with LZMA")
            else:
                with archive.open(member) as content:
                    writer.file(member.filename, content)


class _Writer:
    """Writes members under ``folder`` and keeps to the limits."""

    def __init__(self, archive: Path, folder: Path, source: IO[bytes], bar: tqdm) -> None:
        self.archive = archive
        self.root = folder
        self.source = source
        self.bar = bar
        self.members = 0
        self.allowance = max(LEAST_ALLOWANCE, MOST_EXPANSION * archive.stat().st_size)
        self.left = self.allowance

    def refusal(self, what: str) -> UserError:
        return UserError(
            f"{self.archive} was not unpacked: it holds {what}. "
            "No genuine copy does; remove it and fetch it from its official address"
        )

    def folder(self, name: str) -> None:
        self._place(name).mkdir(parents=True, exist_ok=True)

    def file(self, name: str, content: IO[bytes]) -> None:
        path = self._place(name)
        if path == self.root:
            raise self.refusal(f"{name!r}, a file without a name")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            while chunk := content.read(min(CHUNK, self.left + 1)):
                self.left -= len(chunk)
                if self.left < 0:
                    raise self.refusal(f"more than {self.allowance:,} bytes")
                target.write(chunk)
                self.bar.update(self.source.tell() - self.bar.n)

    def has(self, name: str) -> bool:
        """Return whether a file of this name, in its shortest form, has been written."""
        outside = name.startswith("/") or ".." in PurePosixPath(name).parts
        return not outside and (self.root / name).is_file()

    def copy(self, name: str, target: str) -> None:
        """Write the file ``target`` again under another name."""
        with (self.root / target).open("rb") as content:
            self.file(name, content)

    def _place(self, name: str) -> Path:
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise self.refusal(f"more than {MOST_MEMBERS:,} members")
        if name.startswith(("/", "\\")) or ".." in PurePosixPath(name).parts or "\0" in name:
            raise self.refusal(f"{name!r}, which lies outside its folder")
        if len(name) > LONGEST_NAME:
            raise self.refusal(f"{name[:40]!r}..., a name of {len(name):,} characters")
        if len(PurePosixPath(name).parts) > MOST_FOLDERS:
            raise self.refusal(f"{name[:40]!r}..., more than {MOST_FOLDERS} folders deep")
        return self.root / name


@contextmanager
def whole_folder(into: Path) -> Iterator[Path]:
    """Give a temporary folder, which is renamed to ``into`` if the block succeeds.

    It first removes the temporary folders of processes that were killed, so only one process at a
    time may make ``into``.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{into.name}.unpacking."
    for abandoned in into.parent.glob(f"{prefix}*"):
        shutil.rmtree(abandoned)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=into.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(into)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def _explained(archive: Path, into: Path) -> Iterator[None]:
    """Turn what a bad archive or a full disk raises into a UserError."""
    try:
        yield
    except DAMAGE as error:
        raise UserError(
            f"{archive} is damaged ({error or type(error).__name__}). Remove it and fetch it again"
        ) from error
    except OSError as error:
        advice = "make room" if error.errno == errno.ENOSPC else "remove it and fetch it again"
        raise UserError(f"{archive} was not unpacked to {into}: {error}; {advice}") from error
