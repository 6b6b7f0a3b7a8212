"""Verify downloaded files by size and digest, and record the digests first seen."""

import hashlib
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.files import write_yaml
from pipeline.base.progress import bytes_bar
from pipeline.settings.dataset import ArchiveConfig

CHUNK = 1 << 20
RECORD = "digests.yaml"


class WrongContentError(Exception):
    """A file is not the one that was asked for; the message says what was found and expected."""


class Digests:
    """The digests of the files of one folder.

    ``<folder>/digests.yaml`` records size and sha256 of each file as first seen; it is the same on
    every machine. If the configuration states no digest, the file must match this record from then
    on. A hidden file beside the folder remembers each file's time stamp, so that an unchanged file
    of many gigabytes is not read again.
    """

    def __init__(self, folder: Path) -> None:
        self._record_path = folder / RECORD
        self._memory_path = folder.parent / f".{folder.name}.verified.yaml"
        self._record = _load(self._record_path)
        self._memory = _load(self._memory_path)

    def check(self, archive: ArchiveConfig, path: Path) -> dict[str, str]:
        """Return the digests of ``path`` by kind, such as ``sha256``.

        Raises WrongContentError unless size and digests are those of ``archive``.
        """
        size = path.stat().st_size
        if archive.size not in (None, size) and not archive.other_sha256:
            raise WrongContentError(f"{size:,} bytes instead of {archive.size:,}")
        recorded = self._record.get(archive.file, {}).get("sha256")
        expected = archive.sha256 or (None if archive.md5 else recorded)
        digests = self._remembered(archive, path) or _read(archive, path)
        if digests["sha256"] in archive.other_sha256:
            return digests
        if expected is not None and digests["sha256"] != expected:
            source = "stated" if archive.sha256 else f"first seen and kept in {self._record_path}"
            raise WrongContentError(f"sha256 {digests['sha256']} instead of {expected} ({source})")
        if expected is None and archive.md5 not in (None, digests.get("md5")):
            raise WrongContentError(f"md5 {digests.get('md5')} instead of {archive.md5}")
        return digests

    def keep(self, archive: ArchiveConfig, path: Path, digests: dict[str, str]) -> None:
        """Record that ``path``, which was just checked, has these digests."""
        state = path.stat()
        record = {"size": state.st_size, "sha256": digests["sha256"]}
        if self._record.get(archive.file) != record:
            self._record[archive.file] = record
            write_yaml(self._record_path, dict(sorted(self._record.items())))
        memory = {"size": state.st_size, "mtime_ns": state.st_mtime_ns, **digests}
        if self._memory.get(archive.file) != memory:
            self._memory[archive.file] = memory
            write_yaml(self._memory_path, self._memory)

    def _remembered(self, archive: ArchiveConfig, path: Path) -> dict[str, str] | None:
        memory = self._memory.get(archive.file, {})
        state = path.stat()
        if (memory.get("size"), memory.get("mtime_ns")) != (state.st_size, state.st_mtime_ns):
            return None
        if any(kind not in memory for kind in _kinds(archive)):
            return None
        return {kind: str(memory[kind]) for kind in _kinds(archive)}


def _kinds(archive: ArchiveConfig) -> list[str]:
    """Return the kinds of digest to compute: sha256 always, md5 if it is the only one stated."""
    return ["sha256", "md5"] if archive.md5 and not archive.sha256 else ["sha256"]


def _read(archive: ArchiveConfig, path: Path) -> dict[str, str]:
    hashes = {
        kind: hashlib.new(kind, usedforsecurity=False)  # md5 is what some sources publish
        for kind in _kinds(archive)
    }
    with (
        path.open("rb") as source,
        bytes_bar(f"verifying {archive.file}", path.stat().st_size) as bar,
    ):
        while chunk := source.read(CHUNK):
            for one in hashes.values():
                one.update(chunk)
            bar.update(len(chunk))
    return {kind: one.hexdigest() for kind, one in hashes.items()}


def _load(path: Path) -> dict[str, dict[str, Any]]:
    """Return the mapping in ``path``; empty if the file is missing or holds no mapping."""
    try:
        loaded = yaml.safe_load(path.read_text())
    except (FileNotFoundError, yaml.YAMLError, UnicodeDecodeError):
        return {}
    if not isinstance(loaded, dict):
        return {}
    return {str(name): entry for name, entry in loaded.items() if isinstance(entry, dict)}
