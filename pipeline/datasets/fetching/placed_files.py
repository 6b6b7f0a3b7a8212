"""Find and unpack a dataset's downloaded files when a reader asks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.base.errors import UserError
from pipeline.base.locks import alone
from pipeline.datasets.fetching.unpacking import unpack
from pipeline.settings.folders import raw_dir, unpacked_dir


@dataclass(frozen=True)
class Archives:
    """The downloads of one dataset, and a scratch folder to unpack them in.

    A folder in the scratch folder appears only when it is complete. Its name holds the size and
    time of its archive, so a changed archive is unpacked again.
    """

    dataset: str
    raw: Path
    scratch: Path

    @classmethod
    def of(cls, dataset: str) -> Self:
        """Return the archives of a dataset, in the folders of this project."""
        return cls(dataset, raw_dir(dataset), unpacked_dir(dataset))

    def has(self, name: str) -> bool:
        return (self.raw / name).is_file()

    def file(self, name: str) -> Path:
        """Return the path of a downloaded file. Raises UserError when it is missing."""
        if not self.has(name):
            raise UserError(
                f"{self.raw / name} is not there. Run `dvc repro download@{self.dataset}`, or put "
                "it there by hand (data/README.md says where to get it)."
            )
        return self.raw / name

    def unpacked(self, name: str, extract: Callable[[Path, Path], None] = unpack) -> Path:
        """Unpack an archive, unless that was done before, and return the folder.

        ``extract(file, folder)`` unpacks files of another kind.
        """
        return self._once(self.file(name), extract)

    def unpacked_inner(self, archive: Path) -> Path:
        """Unpack an archive that was itself in an archive, and return the folder."""
        if not archive.is_file():
            raise UserError(f"{archive} is not there: the archive does not have the known layout")
        return self._once(archive, unpack)

    def _once(self, archive: Path, extract: Callable[[Path, Path], None]) -> Path:
        about = archive.stat()
        folder = self.scratch / f"{archive.name}-{about.st_size:x}-{about.st_mtime_ns:x}"
        with alone(self.scratch / f".{folder.name}.lock", f"unpacking of {archive.name}"):
            if not folder.is_dir():
                extract(archive, folder)
        return folder
