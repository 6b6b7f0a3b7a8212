"""Measure the memory that is free for this process, within the limits it runs under."""

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
