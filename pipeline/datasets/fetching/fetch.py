"""Fetch the files of a dataset: verified, from the first source that gives them.

>>> path = fetch(archive, Path("data/raw/dtd"))      # doctest: +SKIP
>>> unpack(path, Path("data/unpacked/dtd"))          # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.digests import Digests, WrongContentError
from pipeline.datasets.fetching.hub import (
    SCHEME,
    discard_hub_folder,
    transfer_from_hub,
    web_address,
)
from pipeline.datasets.fetching.transfer import PATIENCE, Patience, TransferError, discard, transfer
from pipeline.datasets.fetching.unpacking import unpack
from pipeline.settings.dataset import ArchiveConfig

__all__ = ["NotFetchedError", "described", "fetch", "part_of", "unpack"]


class NotFetchedError(UserError):
    """No source gives the file; the message says where to get it and where to put it."""


def fetch(archive: ArchiveConfig, folder: Path, patience: Patience = PATIENCE) -> Path:
    """The verified file ``folder/<archive.file>``: the one that is there, else a fetched one.

    A file placed by hand is verified and taken, without a network. Sources are tried in order;
    what a dropped connection or a killed process left is gone on from. Where no digest is stated
    the first one seen is recorded and must hold from then on (see Digests). Raises UserError when
    a file that is there is another than asked for (it is left alone) or the disk is too small,
    NotFetchedError when no source gives the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / archive.file
    part = part_of(path)
    digests = Digests(folder)
    if path.exists():
        try:
            found = digests.check(archive, path)
        except WrongContentError as error:
            raise UserError(
                f"{path} is not the file it should be: {error}. Replace it by a genuine copy, "
                "or remove it and run the same command to fetch it"
            ) from error
        digests.keep(archive, path, found)
        discard(part)
        discard_hub_folder(part)
        return path

    faults: list[tuple[str, Exception]] = []
    for url in archive.urls:
        try:
            found = _from(url, archive, part, digests, patience)
        except (TransferError, WrongContentError) as error:
            faults.append((url, error))
            continue
        part.replace(path)
        discard(part)
        digests.keep(archive, path, found)
        return path
    raise NotFetchedError(_advice(archive, path, faults))


def part_of(path: Path) -> Path:
    """Where the bytes of ``path`` gather until they are complete and verified."""
    return path.with_name(path.name + ".part")


def _from(
    url: str, archive: ArchiveConfig, part: Path, digests: Digests, patience: Patience
) -> dict[str, str]:
    """Bring ``url`` to ``part`` and return its digests.

    A file in several pieces gets a second chance from its first byte: a piece may be another
    source's, or a server may have sent another range than it said.
    """
    for again in (False, True):
        whole = True
        if url.startswith(SCHEME):
            transfer_from_hub(url, part)
        else:
            any_source = bool(archive.sha256 or archive.md5)
            whole = transfer(url, part, archive.size, any_source, patience)
        try:
            return digests.check(archive, part)
        except WrongContentError:
            discard(part)
            if whole or again:
                raise
    raise AssertionError("the second try returns or raises")


def described(archive: ArchiveConfig) -> str:
    """How to know a genuine copy: ``5 bytes, sha256 ...``, as far as it is stated."""
    size = f"{archive.size:,} bytes" if archive.size else "size unstated"
    if archive.sha256:
        return f"{size}, sha256 {archive.sha256}"
    return f"{size}, md5 {archive.md5}" if archive.md5 else f"{size}, digest unstated"


def _advice(archive: ArchiveConfig, path: Path, faults: list[tuple[str, Exception]]) -> str:
    lines = [f"{archive.file} could not be fetched; put it at {path}"]
    lines += [f"    ({described(archive)})"]
    lines += [f"    get it from {web_address(url)}\n        (tried: {why})" for url, why in faults]
    if not faults:
        lines += ["    no address of it is known to work"]
    return "\n".join(lines)
