"""Fetch the files of a dataset from the first source that has them, and verify them."""

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
from pipeline.settings.dataset import ArchiveConfig


class NotFetchedError(UserError):
    """No source has the file; the message says where to get it and where to put it."""


def fetch(archive: ArchiveConfig, folder: Path, patience: Patience = PATIENCE) -> Path:
    """Return the path ``folder/<archive.file>``; fetch the file if it is missing, and verify it.

    A file placed by hand is verified and used without a network. Sources are tried in order, and a
    partial download is continued. If no digest is stated, the first one seen is recorded and must
    match from then on (see Digests). Raises UserError when an existing file has the wrong content
    (it is left alone) or the disk is too small; raises NotFetchedError when no source has the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / archive.file
    part = part_of(path)
    digests = Digests(folder)
    if path.exists():
        try:
            sums = digests.check(archive, path)
        except WrongContentError as error:
            raise UserError(
                f"{path} is not the file it should be: {error}. Replace it by a genuine copy, "
                "or remove it and run the same command to fetch it"
            ) from error
        digests.keep(archive, path, sums)
        discard(part)
        discard_hub_folder(part)
        return path

    faults: list[tuple[str, Exception]] = []
    for url in archive.urls:
        try:
            sums = _from(url, archive, part, digests, patience)
        except (TransferError, WrongContentError) as error:
            faults.append((url, error))
            continue
        part.replace(path)
        discard(part)
        digests.keep(archive, path, sums)
        return path
    raise NotFetchedError(_advice(archive, path, faults))


def part_of(path: Path) -> Path:
    """Return the partial file that collects the bytes of ``path`` until they are verified."""
    return path.with_name(path.name + ".part")


def _from(
    url: str, archive: ArchiveConfig, part: Path, digests: Digests, patience: Patience
) -> dict[str, str]:
    """Download ``url`` to ``part`` and return its digests.

    A wrong file that came in several pieces is downloaded once more from its first byte: a piece
    may come from another source, or a server may have sent another range than it stated.
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
    """Describe a genuine copy by what is stated: ``5 bytes, sha256 ...``."""
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
