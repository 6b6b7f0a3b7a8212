"""Time a few real training steps of a recipe on this machine, without downloading anything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Literal

import numpy as np
import torch

from pipeline.base.memory import return_freed_memory
from pipeline.base.text import duration
from pipeline.datasets.pixels import PixelStore
from pipeline.models.backbones import build
from pipeline.planning.estimates import ASPECT, ORIGINAL_SIDE
from pipeline.settings.accelerators import use_freest_device
from pipeline.settings.dataset import CountsConfig
from pipeline.settings.machine import threads as threads_per_trial
from pipeline.settings.point import Point
from pipeline.settings.schema import Config, ModelConfig, RecipeConfig
from pipeline.training.classifier import Classifier
from pipeline.training.compiling import compiled_forward
from pipeline.training.cropping import cropper
from pipeline.training.data import EVALUATION_BATCH, Batch, StepAddress, TrainingCrops
from pipeline.training.devices import (
    autocast,
    deterministic,
    free_bytes,
    memory_explained,
    resolve_device,
    resolved,
    start,
)
from pipeline.training.graphs import forget, record, usable
from pipeline.training.losses import mixed_cross_entropy
from pipeline.training.schedule import Schedule

_IMAGES = 16
"""Maximum batch of a timed step on a processor, where more images hardly change the time of one. An
accelerator is timed with the recipe's own batch, because small batches leave it idle."""
_STEPS = 3
"""Timed steps. The fastest one counts, because other programs can only make a step slower."""
_CLASSES = 100


@dataclass(frozen=True)
class Speed:
    """The measured speed: ``train`` and ``evaluate`` are seconds per image.

    ``memory`` is what a training step takes at the recipe's batch (or micro-batch) size, and
    ``free`` is the free memory, both in bytes.
    """

    device: str
    precision: str
    threads: int
    train: float
    evaluate: float
    memory: int
    free: int
    compiling: Compiling | None = None


@dataclass(frozen=True)
class Compiling:
    """What ``machine.compile`` costs each process, and gains in a step of the recipe, in seconds.

    ``gain`` is negative where compiled steps are slower.
    """

    seconds: float
    gain: float

    def __str__(self) -> str:
        if self.gain <= 0:
            return f"compiling takes {duration(self.seconds)} and makes no step shorter"
        steps = math.ceil(self.seconds / self.gain)
        return (
            f"compiling takes {duration(self.seconds)} and saves {self.gain:.3g} s a step: it pays "
            f"from {steps:,} steps in a process, over all its trials"
        )


class _Noise(PixelStore):
    """A store of random images of the dataset's size; all rows show the same one."""

    def __init__(self, store_side: int | Literal["original"], rows: int) -> None:
        side = ORIGINAL_SIDE if store_side == "original" else store_side
        height, width = side, round(side * ASPECT)
        self.pixels = np.random.default_rng(0).integers(0, 256, height * width * 3, np.uint8)
        self.offsets = np.zeros(rows, np.int64)
        self._heights, self._widths = np.full(rows, height), np.full(rows, width)
        self.digest = f"noise {side}"


def measure(cfg: Config) -> Speed:
    """Time crops, forward, backward and update of ``cfg.model`` from a random start.

    An accelerator is measured in another process, because CUDA keeps memory until its process ends.
    Of several the one with the most free memory is measured. Raises UserError when it is too small
    for a step of the recipe.
    """
    if resolve_device(cfg.machine.device) == "cpu":
        speed = _measured(cfg)
        return_freed_memory()  # tune waits for hours in this process
        return speed
    with ProcessPoolExecutor(1, get_context("spawn"), use_freest_device) as pool:
        return pool.submit(_measured, cfg).result()


def _measured(cfg: Config) -> Speed:
    machine = resolved(cfg.machine)
    device, precision = machine.device, machine.precision
    start(device)
    threads = cfg.machine.threads or threads_per_trial()
    torch.set_num_threads(threads)
    recipe = cfg.recipe
    at_once = recipe.micro_batch or recipe.batch_size
    module = _module(cfg.model, recipe).to(device)
    optimizer = module.configure_optimizers()
    rows = np.arange(at_once if device == "cuda" else min(at_once, _IMAGES))
    store = _Noise(cfg.dataset.store_side, len(rows))
    cut = cropper(store, recipe, machine.data, device)
    crops = TrainingCrops(cut, rows % _CLASSES, recipe, 0, mixup=False)

    def step(number: int) -> None:
        batch = crops[StepAddress(0, number, rows)]
        optimizer.zero_grad()
        with autocast(precision, device):
            loss = _loss(module, batch, device)
        loss.backward()
        optimizer.step()

    def fastest() -> float:
        return min(_seconds(partial(step, number), device) for number in range(1, 1 + _STEPS))

    free = free_bytes(device)
    with deterministic(precision), memory_explained(recipe, device):
        saved = _saved_by(lambda: step(0))
        if usable(machine.model_copy(update={"compile": False}), recipe):
            record(module.network, len(rows), recipe.image_size, precision)
        if device == "cuda":
            fastest()  # warms up
        trained = fastest()
        compiling = None
        if cfg.machine.compile:
            forget(module.network)
            module.step_forward = compiled_forward()
            first = _seconds(lambda: step(0), device)
            eager, trained = trained, fastest()
            gain = (eager - trained) / len(rows) * recipe.batch_size
            compiling = Compiling(first - trained, gain)
        measured = EVALUATION_BATCH if device == "cuda" else len(rows)  # a graph has that size
        some = np.arange(measured) % len(rows)
        images = crops[StepAddress(0, 0, some)].images.to(device)
        module.eval()
        with torch.inference_mode(), autocast(precision, device):
            evaluated = min(_seconds(lambda: module(images), device) for _ in range(_STEPS))
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated()
    else:
        values = sum(parameter.numel() for parameter in module.parameters())
        memory = int(saved / len(rows) * at_once) + values * 4 * 3  # weights, gradients, momentum
    train, evaluate = trained / len(rows), evaluated / len(images)
    return Speed(device, precision, threads, train, evaluate, memory, free, compiling)


def _module(model: ModelConfig, recipe: RecipeConfig) -> Classifier:
    network = build(model, _CLASSES, weights=None, seed=0)
    point = Point(lr=1e-4, l2_decay=0.0, label_smoothing=False, mixup=False)
    schedule = Schedule(_CLASSES, recipe)
    return Classifier(network, model, recipe, point, schedule)


def _loss(module: Classifier, batch: Batch, device: str) -> torch.Tensor:
    logits = module.step_forward(module.network, module.normalise(batch.images.to(device)))
    labels = batch.labels.to(device)
    return mixed_cross_entropy(logits, labels, None, 1.0, 0.0, reduction="sum") / len(labels)


def _saved_by(work: Callable[[], object]) -> int:
    """Return the bytes of the activations that ``work`` keeps for its backward pass."""
    sizes: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return sum(sizes.values())


def _seconds(work: Callable[[], object], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.monotonic()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - begin


def seconds_of(
    speed: Speed, recipe: RecipeConfig, images: CountsConfig, *, paddle: bool
) -> tuple[float, float]:
    """Estimate the seconds of a search trial and of a refit, as (trial, refit).

    Under the paddle protocol a trial trains on train and validation.
    """
    both = images.train + images.val
    if paddle:
        return _fit(speed, recipe, both, images.test), 0.0
    search = _fit(speed, recipe, images.train, images.val)
    return search, _fit(speed, recipe, both, 0) + images.test * speed.evaluate


def _fit(speed: Speed, recipe: RecipeConfig, train: int, measured: int) -> float:
    schedule = Schedule(train, recipe)
    steps = schedule.steps * schedule.batch_size * speed.train
    return steps + schedule.epochs * measured * speed.evaluate
