"""Divide the machine among trials that run at once: threads, processes and accelerators."""

import itertools
import os
import platform
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipeline.base.errors import UserError
from pipeline.settings.folders import runs_dir
from pipeline.settings.schema import MachineConfig

THREADS = "VDTRANSFER_THREADS"
PROCESSES = "VDTRANSFER_PROCESSES"
LAUNCHER = "VDTRANSFER_LAUNCHER"
GPUS = "VDTRANSFER_GPUS"
MINUTES = "VDTRANSFER_MINUTES"
STARTED = "VDTRANSFER_STARTED"
"""Start of the command whose time counts for ``search.max_hours``, in seconds since 1970."""
VISIBLE = "CUDA_VISIBLE_DEVICES"

_READ_BY = {"processes": (PROCESSES,), "ray": (GPUS,), "slurm": (GPUS, MINUTES)}
"""The environment variables with numbers that each file of conf/hydra/launcher reads."""

_held: list[FileLock] = []


def threads() -> int:
    """Return the threads of each trial in a sweep when ``machine.threads`` is 0.

    That is ``VDTRANSFER_THREADS``, else the cores divided by ``VDTRANSFER_PROCESSES``. Raises
    UserError when one of the two is not a positive whole number.
    """
    return count(THREADS) or max(1, (os.cpu_count() or 1) // (count(PROCESSES) or 1))


def threads_alone() -> int:
    """Return the threads of a trial that runs alone, such as a refit, if ``machine.threads`` is 0.

    That is ``VDTRANSFER_THREADS``, else every core. Raises UserError as :func:`threads` does.
    """
    return count(THREADS) or os.cpu_count() or 1


def processes(threads: int) -> int:
    """Return how many trials run at once on this machine.

    That is ``VDTRANSFER_PROCESSES``, else the cores divided by ``threads``. Raises UserError as
    :func:`threads` does.
    """
    return count(PROCESSES) or max(1, (os.cpu_count() or 1) // max(1, threads))


def beyond_this_machine(threads: int) -> list[str]:
    """Warn if there are more threads than this machine has cores; jobs may run on another."""
    cores = os.cpu_count() or 1
    if threads <= cores:
        return []
    return [f"machine.threads: found {threads}; this machine has {cores} cores"]


def require_counts(launcher: str | None) -> None:
    """Raise UserError when a variable that ``launcher`` reads is not a positive whole number."""
    for name in _READ_BY.get(launcher or "", ()):
        count(name)


def count(name: str) -> int | None:
    """Return the number in the environment variable ``name``; None if it is unset or empty.

    Raises UserError when it is not a positive whole number.
    """
    text = os.environ.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise UserError(f"{name}: found {text!r}; allowed: 1, 2, 3, ...")
    return int(text)


@cache
def hardware(device: str) -> str:
    """Describe what ``device`` is, for people to read.

    For ``cuda``: the accelerator and its memory. Otherwise: the processor, its cores and the
    machine's memory.
    """
    if device == "cuda":
        import torch

        found = torch.cuda.get_device_properties(0)
        return f"{found.name}, {found.total_memory / 2**30:.0f} GiB"
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def kind(hardware: str) -> str:
    """Return the kind of processor or accelerator in a description that :func:`hardware` made."""
    return re.sub(r"(, \d+ cores)?(, \d+ GiB)?$", "", hardware)


def _processor() -> str:
    with suppress(OSError):  # Linux's own list; the platform module knows no name there
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def devices() -> list[str]:
    """Return the accelerators this process may use, as named in ``CUDA_VISIBLE_DEVICES``."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    return [str(number) for number in range(_cards())]


def _cards() -> int:
    """Count this machine's accelerators without starting CUDA; 0 if the driver does not answer."""
    import pynvml

    try:
        pynvml.nvmlInit()
        try:
            return int(pynvml.nvmlDeviceGetCount())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return 0


def take_device(found: Sequence[str], locks: Path) -> str | None:
    """Restrict this process to one of the devices ``found``: the one with the fewest processes.

    The choice lasts until the process ends. Returns the device; None if there is none, or if this
    process has one already. Raises UserError if CUDA has started here: it keeps the devices that
    it saw then.
    """
    if _held or not found:
        return None
    torch = sys.modules.get("torch")
    if len(found) > 1 and torch is not None and torch.cuda.is_initialized():
        raise UserError(
            "CUDA started before this process chose one of the accelerators "
            f"{', '.join(found)}. Set {VISIBLE} to one of them"
        )
    locks.mkdir(parents=True, exist_ok=True)
    for place in itertools.count():
        for device in found:
            lock = FileLock(locks / f"device-{socket.gethostname()}-{device}-{place}.lock")
            with suppress(Timeout):
                lock.acquire(timeout=0)
                _held.append(lock)
                os.environ[VISIBLE] = device
                return device
    return None


def take_own_device(machine: MachineConfig) -> None:
    """Take a device for the trials of this process, unless they need none; see take_device."""
    if machine.device != "cpu" and machine.simulate is None:
        take_device(devices(), runs_dir() / "locks")


def require_one_device(device: str) -> None:
    """Raise UserError if a trial on cuda could use several accelerators, as then all use one."""
    if device != "cuda":
        return
    import torch

    count = torch.cuda.device_count()
    if count > 1:
        raise UserError(
            f"this process sees {count} accelerators and has none of its own, since their driver's "
            f"management library (NVML) does not answer. Set {VISIBLE} to one of them"
        )
