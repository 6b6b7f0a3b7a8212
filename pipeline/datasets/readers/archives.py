"""The files a dataset came in, found and unpacked when a reader asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.config import UserError
from pipeline.datasets.unpacking import unpack


@dataclass(frozen=True)
class Archives:
    """The downloads of one dataset, and a scratch folder to unpack them in."""

    dataset: str
    raw: Path
    scratch: Path

    def file(self, name: str) -> Path:
        """Raises UserError when it was not downloaded."""
        path = self.raw / name
        if not path.is_file():
            raise UserError(
                f"{path} is not there. Run `dvc repro download@{self.dataset}`, or put it there "
                "by hand (data/README.md says where to get it)."
            )
        return path

    def unpacked(self, name: str) -> Path:
        """The folder that holds the archive's members; unpacked once.

        An archive that has changed since gets another folder, so a folder never stands for
        other contents.
        """
        archive = self.file(name)
        about = archive.stat()
        folder = self.scratch / f"{name}-{about.st_size:x}-{about.st_mtime_ns:x}"
        if not folder.is_dir():
            unpack(archive, folder)
        return folder
