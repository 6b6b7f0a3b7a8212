"""Train one trial: a pure function from its configuration to its measured result."""

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
from pipeline.settings.schema import Config, MachineConfig
from pipeline.training.callbacks import Checkpoint
from pipeline.training.classifier import Classifier
from pipeline.training.data import SplitPlan, TrialData
from pipeline.training.devices import (
    deterministic,
    memory_explained,
    precision_plugin,
    resolved,
    start,
)
from pipeline.training.graphs import Graphs, usable
from pipeline.training.objectives import objective_of


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
    checkpoint: Checkpoint,
    callbacks: Sequence[Callback] = (),
) -> tuple[Result, FinalOutput | None]:
    """Train one point by ``plan``, from ``checkpoint`` if its file exists, else from the start.

    ``weights`` is a file of pretrained weights, or None for a random start. Returns the result, and
    the output of a final trial (else None). A loss that is not finite is a result, not an error.
    After a SIGTERM, writes a checkpoint and raises KeyboardInterrupt. Raises UserError when the
    device's memory is too small, and whatever else training raises.
    """
    begin = time.monotonic()
    cfg = cfg.model_copy(update={"machine": resolved(cfg.machine)})
    machine = cfg.machine
    torch.set_num_threads(machine.threads)
    start(machine.device)
    with (
        _quiet(),
        deterministic(machine.precision),
        memory_explained(cfg.recipe, machine.device),
    ):
        data = TrialData(cfg, plan, manifest, store)
        network = build(cfg.model, len(manifest.class_names), weights=weights, seed=cfg.seed)
        module = Classifier(
            network,
            cfg.model,
            cfg.recipe,
            cfg.point,
            data.schedule,
            data.class_weights(),
            machine.compile,
        )
        graphs = [Graphs(machine.precision)] if usable(machine, cfg.recipe) else []
        trainer = _trainer(data.schedule.epochs, plan, machine, [*callbacks, *graphs, checkpoint])
        began_fit = time.monotonic()
        resume = str(checkpoint.path) if _whole(checkpoint.path) else None
        try:
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        except SystemExit as stop:  # what Lightning makes of Ctrl-C and of SIGTERM
            raise KeyboardInterrupt from stop
        fit_seconds = checkpoint.earlier + time.monotonic() - began_fit
        final = None
        if plan.predict is not None and not module.diverged:
            trainer.test(module, datamodule=data, verbose=False)
            final = _final_output(module)
    seconds = checkpoint.earlier + time.monotonic() - begin
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
    epochs: int, plan: SplitPlan, machine: MachineConfig, callbacks: list[Callback]
) -> pl.Trainer:
    return pl.Trainer(
        accelerator="gpu" if machine.device == "cuda" else "cpu",
        devices=1,
        plugins=[
            LightningEnvironment(),  # else it takes a job of Slurm for a distributed training
            precision_plugin(machine.precision, machine.device),
        ],
        max_epochs=epochs,
        callbacks=callbacks,
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
    curve = module.curve
    if module.diverged:
        return Result("diverged", 0.0, 0, None, None, curve, seconds, fit_seconds)
    row: dict[str, Any]
    if not curve:  # nothing was measured after the epochs: the prediction at the end counts
        assert module.measured is not None
        end = {"epoch": module.schedule.epochs, "train_loss": None}
        row = end | asdict(module.measured)
    elif cfg.protocol.name == "paddle":
        row = max(curve, key=lambda each: objective_of(cfg.objective, each))
    else:
        row = curve[-1]
    metrics = {name: value for name, value in row.items() if name not in ("epoch", "train_loss")}
    return Result(
        "finished",
        objective_of(cfg.objective, row),
        int(row["epoch"]),
        row["train_loss"],
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
