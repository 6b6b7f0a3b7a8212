"""A trial's share of the machine when several run on it at once."""

from __future__ import annotations

import itertools
import os
import platform
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pipeline.base.errors import UserError

THREADS = "VDTRANSFER_THREADS"
PROCESSES = "VDTRANSFER_PROCESSES"
LAUNCHER = "VDTRANSFER_LAUNCHER"
GPUS = "VDTRANSFER_GPUS"
MINUTES = "VDTRANSFER_MINUTES"
VISIBLE = "CUDA_VISIBLE_DEVICES"

_READ_BY = {"processes": (PROCESSES,), "ray": (GPUS,), "slurm": (GPUS, MINUTES)}
"""The counts that the files of conf/hydra/launcher take from the environment."""

_held: list[FileLock] = []


def threads() -> int:
    """Threads of a sweep's trial where ``machine.threads`` is 0: ``VDTRANSFER_THREADS``, else the
    cores divided among ``VDTRANSFER_PROCESSES``.

    Raises UserError when one of the two is not a positive whole number.
    """
    return count(THREADS) or max(1, (os.cpu_count() or 1) // (count(PROCESSES) or 1))


def threads_alone() -> int:
    """Threads of a trial that runs by itself, such as a refit, where ``machine.threads`` is 0:
    ``VDTRANSFER_THREADS``, else every core. Raises UserError as :func:`threads` does.
    """
    return count(THREADS) or os.cpu_count() or 1


def processes(threads: int) -> int:
    """Trials at once on this machine: ``VDTRANSFER_PROCESSES``, else as many as have ``threads``
    cores each. Raises UserError as :func:`threads` does.
    """
    return count(PROCESSES) or max(1, (os.cpu_count() or 1) // max(1, threads))


def require_counts(launcher: str | None) -> None:
    """Raises UserError when a variable that ``launcher`` reads is not a positive whole number."""
    for name in _READ_BY.get(launcher or "", ()):
        count(name)


def count(name: str) -> int | None:
    """The number in the variable ``name``; None where it is not set or empty.

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
    """What a trial on ``device`` computes with, for people: the accelerator and its memory, or the
    processor, its cores and the machine's memory.
    """
    if device == "cuda":
        import torch

        found = torch.cuda.get_device_properties(0)
        return f"{found.name}, {found.total_memory / 2**30:.0f} GiB"
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _processor() -> str:
    with suppress(OSError):  # Linux's own list; the platform module knows no name there
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def devices() -> list[str]:
    """The accelerators this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def take_device(found: Sequence[str], locks: Path) -> str | None:
    """Keep this process to one of the devices ``found``, the one that fewest others took.

    The choice lasts until the process ends and must come before CUDA starts; a second call
    changes nothing. Returns the device, None where there is none to take.
    """
    if _held or not found:
        return None
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
