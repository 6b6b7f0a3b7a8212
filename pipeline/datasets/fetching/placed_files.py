"""The files a dataset came in, found and unpacked when a reader asks for them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.unpacking import unpack


@dataclass(frozen=True)
class Archives:
    """The downloads of one dataset, and a scratch folder to unpack them in.

    A folder in the scratch is complete when it is there, and named after its archive's size and
    time: a changed archive gets another, so none ever stands for other contents.
    """

    dataset: str
    raw: Path
    scratch: Path

    def has(self, name: str) -> bool:
        return (self.raw / name).is_file()

    def file(self, name: str) -> Path:
        """Raises UserError when it was not downloaded."""
        if not self.has(name):
            raise UserError(
                f"{self.raw / name} is not there. Run `dvc repro download@{self.dataset}`, or put "
                "it there by hand (data/README.md says where to get it)."
            )
        return self.raw / name

    def unpacked(self, name: str) -> Path:
        """The folder with the members of an archive."""
        return self._unpacked(self.file(name))

    def unpacked_inner(self, archive: Path) -> Path:
        """The same for an archive that was itself unpacked from one."""
        if not archive.is_file():
            raise UserError(f"{archive} is not there: the archive does not have the known layout")
        return self._unpacked(archive)

    def extracted(self, name: str, extract: Callable[[Path, Path], None]) -> Path:
        """A folder filled once by ``extract(file, folder)``, for what is no archive."""
        source = self.file(name)
        folder = self._folder(source)
        if not folder.is_dir():
            self.scratch.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=self.scratch, prefix=".extracting."))
            try:
                extract(source, made)
                made.chmod(0o755)
                made.rename(folder)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
        return folder

    def _unpacked(self, archive: Path) -> Path:
        folder = self._folder(archive)
        if not folder.is_dir():
            unpack(archive, folder)
        return folder

    def _folder(self, archive: Path) -> Path:
        about = archive.stat()
        return self.scratch / f"{archive.name}-{about.st_size:x}-{about.st_mtime_ns:x}"
