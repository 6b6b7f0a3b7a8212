"""Train one trial: a pure function from its configuration to its measured result."""

from __future__ import annotations

import logging
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import Tensor

from pipeline.datasets.manifest import Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.models.backbones import build
from pipeline.settings.schema import Config
from pipeline.training.callbacks import Checkpoint, EpochRecord, Progress, Record
from pipeline.training.classifier import Classifier
from pipeline.training.data import SplitPlan, TrialData
from pipeline.training.devices import (
    deterministic,
    memory_explained,
    precision_plugin,
    resolve_data,
)
from pipeline.training.objectives import objective_of

CHECKPOINT_SECONDS = 60.0
"""Minimum seconds between checkpoints: one of ResNet50_vd is 180 MB and takes up to a second."""


@dataclass(frozen=True)
class Result:
    """What a trial computed (the same whenever it is computed again) and what it cost.

    ``objective`` is that of the configuration at the last epoch (``heldout``) or the best one
    (``paddle``), and 0.0 for a diverged trial. ``curve`` has a row per epoch: epoch, train_loss and
    the scalars of Metrics. ``metrics`` are those of the objective's epoch; a final trial has every
    field of Metrics.
    """

    status: str
    objective: float
    epoch: int
    train_loss: float | None
    metrics: dict[str, Any] | None
    curve: list[dict[str, float | int]]
    seconds: float
    """Duration over all processes that took part, each up to the checkpoint that was resumed."""
    fit_seconds: float


@dataclass(frozen=True)
class FinalOutput:
    """The network's weights, and its float32 logits [N, K] of the predicted split in list order."""

    logits: Tensor
    state: dict[str, Tensor]


def train(
    cfg: Config,
    plan: SplitPlan,
    manifest: Manifest,
    store: PixelStore,
    weights: Path | None,
    *,
    checkpoint: Path,
    record: EpochRecord,
    label: str,
    precision: str,
    device: str,
    threads: int,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> tuple[Result, FinalOutput | None]:
    """Train one point by ``plan``, from ``checkpoint`` if it exists, else from the start.

    ``record`` is called with each row of the curve; ``label`` names the trial in its progress bar.
    Returns the result, and the output of a final trial (else None). A loss that is not finite is a
    result, not an error. After a SIGTERM, writes a checkpoint and raises KeyboardInterrupt. Raises
    UserError when the device's memory is too small, and whatever else training raises.
    """
    begin = time.monotonic()
    torch.set_num_threads(threads)
    data = TrialData(
        manifest,
        store,
        cfg.recipe,
        plan,
        cfg.seed,
        cfg.mixup,
        device=device,
        where=resolve_data(cfg.machine.data, device),
    )
    network = build(cfg.model, len(manifest.class_names), weights=weights, seed=cfg.seed)
    module = Classifier(
        network,
        cfg.model,
        cfg.recipe,
        cfg.point,
        data.schedule,
        data.class_weights(),
        cfg.machine.compile,
    )
    state = Checkpoint(checkpoint, checkpoint_seconds)
    callbacks: list[Callback] = [Progress(label), Record(record), state]
    with _quiet(), deterministic(precision), memory_explained(cfg.recipe, device):
        trainer = _trainer(data.schedule.epochs, plan, callbacks, precision, device)
        start = time.monotonic()
        resume = str(checkpoint) if _whole(checkpoint) else None
        try:
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        except SystemExit as stop:  # what Lightning makes of Ctrl-C and of SIGTERM
            raise KeyboardInterrupt from stop
        fit_seconds = state.earlier + time.monotonic() - start
        final = None
        if plan.predict is not None and not module.diverged:
            trainer.test(module, datamodule=data, verbose=False)
            final = _final_output(module)
    seconds = state.earlier + time.monotonic() - begin
    return _result(cfg, module, seconds, fit_seconds), final


def _whole(checkpoint: Path) -> bool:
    """Return whether there is a checkpoint to resume from; remove a damaged one."""
    if not checkpoint.exists():
        return False
    try:
        with zipfile.ZipFile(checkpoint) as file:
            damaged = file.testzip()
    except zipfile.BadZipFile:
        damaged = "all of it"
    if damaged:
        print(f"{checkpoint} is damaged: the trial starts over", file=sys.stderr)
        checkpoint.unlink()
    return not damaged


def _final_output(module: Classifier) -> FinalOutput | None:
    if module.diverged:
        return None
    assert module.logits is not None
    state = {name: tensor.cpu() for name, tensor in module.network.state_dict().items()}
    return FinalOutput(module.logits, state)


def _trainer(
    epochs: int, plan: SplitPlan, callbacks: Sequence[Callback], precision: str, device: str
) -> pl.Trainer:
    return pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        plugins=[
            LightningEnvironment(),  # else it takes a job of Slurm for a distributed training
            precision_plugin(precision, device),
        ],
        max_epochs=epochs,
        callbacks=list(callbacks),
        limit_val_batches=None if plan.measure else 0,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=True,
    )


def _result(cfg: Config, module: Classifier, seconds: float, fit_seconds: float) -> Result:
    curve, measured = module.curve, module.measured
    if module.diverged:
        return Result("diverged", 0.0, 0, None, None, curve, seconds, fit_seconds)
    if not curve:  # nothing was measured after the epochs: the prediction at the end counts
        assert measured is not None
        epochs, value = module.schedule.epochs, objective_of(cfg.objective, measured.scalars())
        return Result(
            "finished", value, epochs, None, asdict(measured), curve, seconds, fit_seconds
        )
    row = curve[-1]
    if cfg.protocol.name == "paddle":
        row = max(curve, key=lambda each: objective_of(cfg.objective, each))
    metrics = {name: value for name, value in row.items() if name not in ("epoch", "train_loss")}
    return Result(
        "finished",
        objective_of(cfg.objective, row),
        int(row["epoch"]),
        float(row["train_loss"]),
        metrics,
        curve,
        seconds,
        fit_seconds,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Lightning's messages about every fit, and warnings about what is intended here."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*`srun` command is available.*")
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
        warnings.filterwarnings("ignore", message=".*in `training_step` returned `None`.*")
        try:
            yield
        finally:
            logger.setLevel(level)
