"""Faults that a sweep brings upon itself; `VDTRANSFER_FAULT` names the one of a fork."""

import os
import threading
from pathlib import Path
from typing import Any

from pipeline.training.callbacks import Record
from pipeline.trials import run as journalled
from tests.support.waiting import until

FAULT = "VDTRANSFER_FAULT"
FAULTY_LR = 0.03
"""Of the trials it happens in, if they are simulated."""
GATE = "gate"
"""In the working directory: a fork that waits goes on when this file is there."""
LIMIT = 2 << 30
"""Bytes of memory for a process that ``hoard`` is in."""
_CONTROLLER = Path("/sys/fs/cgroup/memory")
_GROUP = _CONTROLLER / "vdtransfer-faults"


def happen() -> None:
    """Make the fault that the environment names happen in this process."""
    name = os.environ.get(FAULT)
    if name is not None:
        {"hoard": hoard, "hang": hang, "wait": wait}[name]()


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


def wait() -> None:
    """Trials wait for the gate: simulated ones before they begin, others after each epoch.

    So what a test does to a sweep meets it under way, however busy the machine is.
    """
    _before_trials(_until_open)
    record = Record.on_train_epoch_end

    def waiting(self: Record, *rest: Any) -> None:
        record(self, *rest)
        _until_open()

    Record.on_train_epoch_end = waiting  # type: ignore[method-assign]


def _until_open() -> None:
    until(Path(GATE).exists)


def _before_trials(fault: Any) -> None:
    simulate = journalled.simulate

    def faulty(cfg: Any, *rest: Any) -> Any:
        if cfg.lr == FAULTY_LR:
            fault()
        return simulate(cfg, *rest)

    journalled.simulate = faulty
