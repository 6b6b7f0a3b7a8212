"""Find out why a trial's process died: because of the trial, or because somebody stopped it.

A trial that kills its own process must not block a sweep for ever. A person's kill -9, a preemption
or a power cut must not fail a trial. The evidence: the kernel counts its out-of-memory kills, and
faulthandler writes a trace at a crash (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL).
"""

from __future__ import annotations

import faulthandler
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.trials.journal import Journal

if TYPE_CHECKING:
    from mlflow.entities import Run

DEATHS = 2
"""A trial that killed its own process this many times fails without another try."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_VMSTAT = Path("/proc/vmstat")


class ProcessDiedError(Exception):
    """The trial killed its own process every time, so it is not tried again now."""

    def __init__(self, deaths: int) -> None:
        super().__init__(
            f"its process ran out of memory, crashed or hung {deaths} times; "
            "a smaller recipe.micro_batch needs less memory"
        )


def stamp() -> dict[str, str]:
    """Return tags for a run that starts: ``boot`` (its id) and ``oom_kills`` (so far).

    The dict is empty where the system does not report them, as outside Linux.
    """
    if not (_BOOT.exists() and _VMSTAT.exists()):
        return {}
    kills = re.search(r"^oom_kill (\d+)$", _VMSTAT.read_text(), re.MULTILINE)
    return {"boot": _BOOT.read_text().strip(), "oom_kills": kills[1] if kills else "0"}


@contextmanager
def watched(trace: Path) -> Iterator[None]:
    """Write ``trace`` if this process crashes within the block; remove it otherwise."""
    if faulthandler.is_enabled():  # the trace already goes elsewhere
        yield
        return
    trace.parent.mkdir(parents=True, exist_ok=True)
    with trace.open("w") as file:
        faulthandler.enable(file)
        try:
            yield
        finally:
            faulthandler.disable()
            trace.unlink(missing_ok=True)


def own_fault(tags: Mapping[str, str], trace: Path) -> bool:
    """Return whether a run whose process is gone killed that process itself.

    ``tags`` are those of the run, from :func:`stamp`.
    """
    if trace.exists() and trace.stat().st_size:
        return True
    now = stamp()
    same_boot = bool(now) and tags.get("boot") == now["boot"]
    return same_boot and int(now["oom_kills"]) > int(tags["oom_kills"])


def bury(journal: Journal, tries: Sequence[Run], trace: Path) -> int:
    """Mark the RUNNING ``tries`` of a trial as KILLED. The caller must hold the trial's lock.

    Returns how often the trial has killed its own process since its last failure.
    """
    deaths = 0
    for each in tries:
        died = each.data.tags.get("died")
        if each.info.status == "RUNNING":
            died = "itself" if own_fault(each.data.tags, trace) else "stopped"
            journal.tag(each.info.run_id, {"died": died})
            journal.close(each.info.run_id, "KILLED")
        deaths = 0 if each.info.status == "FAILED" else deaths + (died == "itself")
    trace.unlink(missing_ok=True)
    return deaths


def require_life(deaths: int) -> None:
    """Raise ProcessDiedError when a trial has killed its own process DEATHS times."""
    if deaths >= DEATHS:
        raise ProcessDiedError(deaths)
