"""Room on the disk for what is to come."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import UserError


def require_room(folder: Path, size: int) -> None:
    """Raises UserError when the disk of ``folder`` has no room for ``size`` bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UserError(
            f"not enough disk: {size / 1e9:.2f} GB are still to come to {folder}, which has "
            f"{free / 1e9:.2f} GB free. Make room, or make the folder a link to a larger disk"
        )


@contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """Turn a full disk into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"the disk of {folder} is full. Make room and run the same command: "
            "it goes on where it stopped"
        ) from error
