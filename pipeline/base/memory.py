"""Measure the memory that is free for this process, and keep or return what it frees."""

import ctypes
import sys
from pathlib import Path

import psutil

_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (
        Path("/sys/fs/cgroup/memory"),
        *("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ),
)
"""A container's group: its folder, the files with the limit and the use of memory, and the entry of
memory.stat for cached files, which count as used but are dropped on demand; cgroups v2 and v1."""


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt: how much freed memory returns to the system, and the size from
which a block is mapped apart and returned by itself."""
_LARGEST_THRESHOLD = 2**25


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees in blocks below 32 MB; only glibc can.

    Otherwise a training step on a processor returns memory to the system and gets it back page by
    page, filled with zeros. Larger blocks are returned, so that holes in memory stay small.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_TRIM_THRESHOLD, -1)  # no limit
        mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD)


def return_freed_memory() -> None:
    """Return to the system the memory that this process kept after freeing it; only glibc can."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def free_memory() -> int:
    """Return the free bytes of the machine, or of the container if it has fewer."""
    free = int(psutil.virtual_memory().available)
    for group, limit, used, cached in _GROUPS:
        try:
            statistics = dict(
                line.split(maxsplit=1) for line in (group / "memory.stat").read_text().splitlines()
            )
            taken = int((group / used).read_text()) - int(statistics.get(cached, 0))
            free = min(free, int((group / limit).read_text()) - taken)
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return max(free, 0)
