"""Measure the memory that is free for this process, within the limits it runs under."""

from __future__ import annotations

from pathlib import Path

import psutil

_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
"""Files with the limit and the use of a container's memory, of cgroups v2 and v1."""


def free_memory() -> int:
    """Return the free bytes of the machine, or of the container if it has fewer."""
    free = int(psutil.virtual_memory().available)
    for limit, used in _GROUPS:
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return max(free, 0)
