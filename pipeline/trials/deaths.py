"""Why a trial's process died: through the trial itself, or because somebody stopped it.

A trial that kills its process must not stop a sweep for ever; a person's kill -9, a preemption or
a power cut must not fail a trial. The kernel counts its out-of-memory kills, and a crash (SIGSEGV,
SIGABRT, SIGBUS, SIGFPE, SIGILL) leaves a trace that faulthandler writes.
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
"""A trial that killed its process so often is failed without another try."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_VMSTAT = Path("/proc/vmstat")


class ProcessDiedError(Exception):
    """The trial is not tried again now, for it killed its process each time."""

    def __init__(self, deaths: int) -> None:
        super().__init__(
            f"its process ran out of memory, crashed or hung {deaths} times; "
            "a smaller recipe.micro_batch needs less memory"
        )


def stamp() -> dict[str, str]:
    """Tags for a run that starts: which boot this is, and the out-of-memory kills so far.

    Empty where the system does not tell (not Linux).
    """
    if not (_BOOT.exists() and _VMSTAT.exists()):
        return {}
    kills = re.search(r"^oom_kill (\d+)$", _VMSTAT.read_text(), re.MULTILINE)
    return {"boot": _BOOT.read_text().strip(), "oom_kills": kills[1] if kills else "0"}


@contextmanager
def watched(trace: Path) -> Iterator[None]:
    """Have a crash of this process leave ``trace``; nothing is left otherwise."""
    if faulthandler.is_enabled():  # somebody else wants the trace
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
    """Whether a run with these tags, whose process is gone, died of itself."""
    if trace.exists() and trace.stat().st_size:
        return True
    now = stamp()
    same_boot = bool(now) and tags.get("boot") == now["boot"]
    return same_boot and int(now["oom_kills"]) > int(tags["oom_kills"])


def bury(journal: Journal, tries: Sequence[Run], trace: Path) -> int:
    """Mark those ``tries`` of a trial as KILLED whose process died; nobody else works on them.

    Returns how often, since it last failed, the trial itself killed its process.
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
    """Raises ProcessDiedError when a trial died of itself too often."""
    if deaths >= DEATHS:
        raise ProcessDiedError(deaths)
