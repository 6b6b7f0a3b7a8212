"""Replay a network's kernels on CUDA as graphs: the host starts hundreds of kernels with one call.

On small batches an accelerator is done with a kernel before the host has started the next one. A
graph holds the same kernels in the same order, so the results are equal bit for bit, and graphs are
no part of a trial's key. The exception is a network that uses a weight twice: in bf16 and fp16 the
two gradients of that weight are added up in float32.
"""

import gc
import sys
import warnings
from functools import cache
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.autograd.graph import set_warn_on_accumulate_grad_stream_mismatch
from torch.cuda import make_graphed_callables

from pipeline.base.text import gist
from pipeline.settings.schema import MachineConfig, RecipeConfig
from pipeline.training.classifier import Classifier
from pipeline.training.data import EVALUATION_BATCH
from pipeline.training.devices import autocast


def usable(machine: MachineConfig, recipe: RecipeConfig) -> bool:
    """Return whether trials with these resolved settings use graphs.

    A compiled step has kernels of its own. Micro-batches add up their gradients, but each replay of
    a graph writes its gradients over the last ones.
    """
    return machine.device == "cuda" and not machine.compile and recipe.micro_batch is None


def record(network: nn.Module, batch: int, size: int, precision: str) -> None:
    """Let ``network`` replay graphs, for images [N, 3, size, size] that are channels last.

    There is one of the forward and backward pass in training, with N of ``batch``, and one for
    evaluation with N of ``EVALUATION_BATCH``. Other evaluation batches are computed as before. The
    network must be where it is trained. Its weights may change, but must not move: call
    :func:`forget` first. A network that cannot be recorded stays as it is, which a message says.
    """
    eager, mode = network.forward, network.training
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    device, stream = next(network.parameters()).device, torch.cuda.current_stream()
    step: Any = None
    measure: Any = None
    failed = ""

    def images(number: int) -> Tensor:
        made = torch.zeros(number, 3, size, size, device=device)
        return made.contiguous(memory_format=torch.channels_last)

    # The gradients' nodes belong to the stream of the recording; autograd then waits as it should.
    set_warn_on_accumulate_grad_stream_mismatch(False)
    try:
        with warnings.catch_warnings(), autocast(precision, "cuda", cached=False):
            warnings.filterwarnings("ignore", message=".*(no current CUDA context|debug mode is).*")
            _require_no_wait(network, images(batch))
            make_graphed_callables(network.train(), (images(batch),), allow_unused_input=True)
            step = network.forward
            network.eval()
            with torch.no_grad():
                measure = make_graphed_callables(eager, (images(EVALUATION_BATCH),))
    except (RuntimeError, AssertionError) as error:  # torch asserts that the network has no hooks
        step, failed = None, f"{type(error).__name__}: {gist(error)}"
    finally:
        torch.cuda.set_stream(stream)  # a recording that fails may leave its own
        network.train(mode)
        for buffer, value in buffers:
            buffer.copy_(value)  # the recording trains on images of zeros first
    if failed:
        forget(network)
        torch.cuda.empty_cache()
        _say_once(f"no CUDA graph of this network ({failed}); small batches take longer")
        return

    def forward(images: Tensor) -> Any:
        if network.training:
            return step(images)
        if len(images) == EVALUATION_BATCH:
            return measure(images).clone()  # the next replay writes over it
        return eager(images)

    network.forward = forward


def _require_no_wait(network: nn.Module, images: Tensor) -> None:
    """Raise RuntimeError if the network reads from the device: no graph can hold that.

    A recording that fails would leave CUDA's random generator unusable.
    """
    parameters = [each for each in network.parameters() if each.requires_grad]
    for mode in ("default", "error"):  # kernels may wait when they are used for the first time
        torch.cuda.set_sync_debug_mode(mode)
        try:
            total = network.train()(images).float().sum()
            torch.autograd.grad(total, parameters, allow_unused=True)
            with torch.no_grad():
                network.eval()(images)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@cache
def _say_once(text: str) -> None:
    """Print a message, once per process: it holds for all trials of a sweep."""
    print(text, file=sys.stderr)


def forget(network: nn.Module) -> None:
    """Let ``network`` compute without graphs again, and release their memory.

    Torch's graphs are part of reference cycles, which would otherwise live on for some trials.
    """
    if network.__dict__.pop("forward", None):
        gc.collect()


class Graphs(Callback):
    """Records the network's graphs when a fit begins, and forgets them when it ends."""

    def __init__(self, precision: str) -> None:
        self.precision = precision

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        batch, size = pl_module.schedule.batch_size, pl_module.recipe.image_size
        record(pl_module.network, batch, size, self.precision)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        assert isinstance(pl_module, Classifier)
        forget(pl_module.network)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self.teardown(trainer, pl_module, "fit")
