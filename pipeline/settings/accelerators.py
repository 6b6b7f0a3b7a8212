"""Share the machine's accelerators among processes.

What they are is asked of their driver, so that CUDA does not start before one is taken.
"""

import itertools
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pynvml
from filelock import FileLock, Timeout

from pipeline.base.errors import UserError
from pipeline.settings.folders import runs_dir
from pipeline.settings.schema import MachineConfig

VISIBLE = "CUDA_VISIBLE_DEVICES"

_held: list[FileLock] = []


def devices() -> list[str]:
    """Return the accelerators this process may use, as named in ``CUDA_VISIBLE_DEVICES``.

    Returns an empty list if that is not set and the driver does not answer.
    """
    visible = os.environ.get(VISIBLE)
    if visible is not None:  # CUDA ignores what follows a name of none
        names = (name.strip() for name in visible.split(","))
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    with suppress(pynvml.NVMLError), _driver():
        return [str(number) for number in range(pynvml.nvmlDeviceGetCount())]
    return []


def capability() -> tuple[int, int] | None:
    """Return the lowest compute capability of the accelerators that this process may use.

    Returns None if the driver does not answer.
    """
    with suppress(pynvml.NVMLError), _driver():
        known = [pynvml.nvmlDeviceGetCudaComputeCapability(_handle(name)) for name in devices()]
        return min((tuple(each) for each in known), default=None)
    return None


@contextmanager
def _driver() -> Iterator[None]:
    """Use the driver's management library (NVML) in the block; raises NVMLError without it."""
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def _handle(device: str) -> Any:
    """Return NVML's handle of a device; the package numbers devices as NVML does."""
    if device.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(device))
    return pynvml.nvmlDeviceGetHandleByUUID(device)


def take_device(names: Sequence[str], locks: Path) -> str | None:
    """Restrict this process to one of the devices ``names``: the one with the fewest processes.

    The choice lasts until the process ends. Returns the device; None if there is none, or if this
    process has one already. Raises UserError if CUDA has started here: it keeps the devices that
    it saw then.
    """
    if _held or not names:
        return None
    torch = sys.modules.get("torch")
    if len(names) > 1 and torch is not None and torch.cuda.is_initialized():
        raise UserError(
            "CUDA started before this process chose one of the accelerators "
            f"{', '.join(names)}. Set {VISIBLE} to one of them"
        )
    locks.mkdir(parents=True, exist_ok=True)
    for place in itertools.count():
        for device in names:
            lock = FileLock(locks / f"device-{socket.gethostname()}-{device}-{place}.lock")
            with suppress(Timeout):
                lock.acquire(timeout=0)
                _held.append(lock)
                os.environ[VISIBLE] = device
                return device
    return None


def use_freest_device() -> None:
    """Restrict this process to the accelerator with the most free memory, before CUDA starts.

    For short work beside trials: it takes no part in the choices of :func:`take_device`. Leaves
    things as they are if there are fewer than two, or if the driver does not answer.
    """
    names = devices()
    if len(names) < 2:
        return
    with suppress(pynvml.NVMLError), _driver():
        free = {name: pynvml.nvmlDeviceGetMemoryInfo(_handle(name)).free for name in names}
        os.environ[VISIBLE] = max(names, key=free.__getitem__)


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
            f"this process sees {count} accelerators and could not choose one, because the "
            f"driver's management library (NVML) does not answer. Set {VISIBLE} to one of them"
        )
