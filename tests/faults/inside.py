"""Faults that a sweep brings upon itself; `VDTRANSFER_FAULT` names the one of a fork."""

import os
import threading
from pathlib import Path
from typing import Any

from pipeline.trials import run as journalled

FAULT = "VDTRANSFER_FAULT"
FAULTY_LR = 0.03
"""Of the trials it happens in."""
LIMIT = 2 << 30
"""Bytes of memory for a process that ``hoard`` is in."""
_CONTROLLER = Path("/sys/fs/cgroup/memory")
_GROUP = _CONTROLLER / "vdtransfer-faults"


def happen() -> None:
    """Make the fault that the environment names happen in this process."""
    name = os.environ.get(FAULT)
    if name is not None:
        {"hoard": hoard, "hang": hang}[name]()


def memory_can_be_limited() -> bool:
    """Whether this user may make a memory cgroup (version 1)."""
    try:
        _GROUP.mkdir(exist_ok=True)
        (_GROUP / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError:
        return False
    return True


def hoard() -> None:
    """Trials take more memory than there is; the kernel kills."""
    (_GROUP / "cgroup.procs").write_text(str(os.getpid()))
    _before_trials(lambda: b"x" * (4 * LIMIT))


def hang() -> None:
    """Trials wait for what never comes."""
    _before_trials(threading.Event().wait)


def _before_trials(fault: Any) -> None:
    simulate = journalled.simulate

    def faulty(cfg: Any, *rest: Any) -> Any:
        if cfg.lr == FAULTY_LR:
            fault()
        return simulate(cfg, *rest)

    journalled.simulate = faulty
