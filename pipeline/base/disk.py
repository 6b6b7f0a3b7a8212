"""Check that the disk has room, and explain when it is full."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.base.errors import UserError


def require_room(folder: Path, size: int) -> None:
    """Raise UserError when the disk of ``folder`` has no room for ``size`` bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UserError(
            f"not enough disk: {size / 1e9:.2f} GB are still to come to {folder}, which has "
            f"{free / 1e9:.2f} GB free. Make room, or make the folder a link to a larger disk"
        )


@contextmanager
def full_disk_explained(folder: Path, needed: Callable[[], int] | None = None) -> Iterator[None]:
    """Turn a full disk into a UserError; ``needed`` returns the total bytes that are needed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        about = f" (about {needed() / 1e9:.2f} GB are needed there in all)" if needed else ""
        raise UserError(
            f"the disk of {folder} is full{about}. Make room and run the same command: "
            "it continues where it stopped"
        ) from error
