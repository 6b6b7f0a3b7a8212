"""Set up what a trial computes on: device, precision, deterministic kernels, and its memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision

from pipeline.base.errors import UserError
from pipeline.base.memory import free_memory, keep_freed_memory
from pipeline.base.text import gist
from pipeline.settings.accelerators import capability
from pipeline.settings.machine import GPUS, threads_alone
from pipeline.settings.schema import MachineConfig, RecipeConfig

GB = 1e9
_NO_MEMORY = ("out of memory", "ALLOC_FAILED", "can't allocate memory")
"""What CUDA, its libraries and torch on the host say when they get no memory."""
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolved(machine: MachineConfig) -> MachineConfig:
    """Return the settings as this machine uses them, with every ``auto`` and 0 resolved.

    Does not start CUDA where its driver says what the accelerators can do. Raises UserError for a
    device or a precision that the machine does not have.
    """
    device = resolve_device(machine.device)
    # On a processor Pillow is about ten times as fast as the tensor code.
    near = "device" if device == "cuda" else "host"
    values = {
        "device": device,
        "precision": resolve_precision(machine.precision, device),
        "data": machine.data if machine.data != "auto" else near,
        "threads": machine.threads or threads_alone(),
    }
    return machine.model_copy(update=values)


def resolve_device(device: str) -> str:
    """Return ``cpu`` or ``cuda``. Raises UserError when cuda is asked for but not available."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UserError(
            "machine.device: found 'cuda', but torch sees no CUDA device here (a job of Slurm or "
            f"Ray gets one if {GPUS}=1 is set)"
        )
    return "cuda" if device != "cpu" and available else "cpu"


def resolve_precision(precision: str, device: str) -> str:
    """Return the precision; ``auto`` is bf16 if ``device`` has it natively, else float32.

    Raises UserError for tf32 or fp16 on a device without it.
    """
    ampere = device == "cuda" and (capability() or torch.cuda.get_device_capability()) >= (8, 0)
    if (precision == "tf32" and not ampere) or (precision == "fp16" and device != "cuda"):
        needed = "8.0 or more" if precision == "tf32" else "7.0 or more"
        raise UserError(
            f"machine.precision: found '{precision}', which this machine's {device} does not have; "
            f"it needs an NVIDIA card of compute capability {needed}. Use float32"
        )
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if ampere else "float32"
    capabilities = torch.cpu.get_capabilities()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bf16" if native else "float32"


def start(device: str) -> None:
    """Start CUDA, or let a processor keep the memory that steps free.

    Raises UserError if the driver does not let CUDA start. Until then only the driver was asked,
    which may list a card that this torch cannot use.
    """
    if device != "cuda":
        keep_freed_memory()
        return
    try:
        torch.cuda.mem_get_info()  # the first call that needs the card itself
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"machine.device: there is an accelerator, but CUDA does not start: {gist(error)}. Set "
            "machine.device=cpu, or mend the driver"
        ) from error


def precision_plugin(precision: str, device: str) -> Precision:
    """Make Lightning's plugin for a precision; fp16 scales the loss to keep small gradients."""
    if precision == "bf16":
        return MixedPrecision("bf16-mixed", device)
    if precision == "fp16":
        return MixedPrecision("16-mixed", device, torch.amp.GradScaler(device))
    return Precision()


def autocast(precision: str, device: str, *, cached: bool = True) -> torch.autocast:
    """Make the autocast context of a precision, for work outside Lightning.

    ``cached`` keeps a converted weight until the context ends.
    """
    dtype = _AUTOCAST.get(precision, torch.bfloat16)
    return torch.autocast(device, dtype, enabled=precision in _AUTOCAST, cache_enabled=cached)


@contextmanager
def tf32(enabled: bool) -> Iterator[None]:
    """Round the inputs of float32 products to TensorFloat-32 in the block, or do not.

    By default torch does so in convolutions, on the cards that have it.
    """
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = enabled
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


@contextmanager
def as_delivered(device: str) -> Iterator[None]:
    """Compute in float32 in the block, as a packaged model does wherever it runs.

    Turns off autocast and, on an accelerator, TensorFloat-32, whose mantissa has 10 bits.
    """
    with torch.autocast(device, enabled=False), tf32(False):
        yield


@contextmanager
def deterministic(precision: str) -> Iterator[None]:
    """Use deterministic kernels in the block; an operation without one raises an error.

    Torch would also fill new memory with NaN. We turn that off: it finds faults in kernels, changes
    no result and takes time in every step. TensorFloat-32 is on for the precision ``tf32`` alone,
    so that float32 names one precision everywhere.
    """
    before = torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    filling = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False
    try:
        with tf32(precision == "tf32"):
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        memory.fill_uninitialized_memory = filling


@contextmanager
def memory_explained(recipe: RecipeConfig, device: str) -> Iterator[None]:
    """Raise UserError where the device runs out of memory in the block: no trial would fit."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        yield
    except RuntimeError as error:
        known = isinstance(error, torch.OutOfMemoryError)
        if not known and not any(words in str(error) for words in _NO_MEMORY):
            raise
        peak, free = _peak(device), free_bytes(device)
        at_once = recipe.micro_batch or recipe.batch_size
        raise UserError(
            f"out of memory on {device}: {at_once} images of {recipe.image_size} px at once took "
            f"{peak / GB:.1f} GB, and {free / GB:.1f} GB are free beside them. Set "
            f"recipe.micro_batch (found {recipe.micro_batch or 'null'}) to a divisor of batch_size "
            f"below {at_once}; it is part of a trial's key"
        ) from error


def _peak(device: str) -> int:
    """Return the bytes that this process took on an accelerator at most, or takes on the host."""
    cuda = device == "cuda"
    return torch.cuda.max_memory_allocated() if cuda else psutil.Process().memory_info().rss


def free_bytes(device: str | torch.device) -> int:
    """Return the bytes that are free on a device."""
    cuda = torch.device(device).type == "cuda"
    return int(torch.cuda.mem_get_info(device)[0]) if cuda else free_memory()
