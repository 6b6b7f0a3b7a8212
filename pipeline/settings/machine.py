"""Divide the machine among trials that run at once: threads and processes."""

import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from pipeline.base.errors import UserError

THREADS = "VDTRANSFER_THREADS"
PROCESSES = "VDTRANSFER_PROCESSES"
LAUNCHER = "VDTRANSFER_LAUNCHER"
GPUS = "VDTRANSFER_GPUS"
MINUTES = "VDTRANSFER_MINUTES"
STARTED = "VDTRANSFER_STARTED"
"""In the stages that a command runs: its start, in seconds since 1970. ``search.max_hours`` counts
from there."""

_READ_BY = {"ray": (GPUS,), "slurm": (GPUS, MINUTES)}
"""For each launcher: the variables with a number that its file reads, but not every command."""
MOST_THREADS = 10_000
"""More than any machine has."""
_MOST = {THREADS: MOST_THREADS, PROCESSES: MOST_THREADS}
_MOST_OTHERS = 1_000_000
"""Minutes of two years, and more than the GPUs of any cluster."""


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
    """Raise UserError when a variable must be a positive whole number and is not.

    These are the variables that every stage or ``launcher`` reads; every stage checks them.
    """
    for name in (THREADS, PROCESSES, *_READ_BY.get(launcher or "", ())):
        count(name)


def count(name: str) -> int | None:
    """Return the number in the environment variable ``name``; None if it is unset or empty.

    Raises UserError when it is not a positive whole number or is too large.
    """
    text = os.environ.get(name)
    if not text:
        return None
    most = _MOST.get(name, _MOST_OTHERS)
    if not text.isdecimal() or len(text) > 7 or not 1 <= int(text) <= most:
        raise UserError(f"{name}: found {text!r}; allowed: 1, 2, 3, ... up to {most:,}")
    return int(text)


@cache
def hardware(device: str) -> str:
    """Describe what ``device`` is, for people to read.

    For ``cuda``: the accelerator and its memory. Otherwise: the processor, its cores and the
    machine's memory.
    """
    if device == "cuda":
        import torch

        card = torch.cuda.get_device_properties(0)
        return f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
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
