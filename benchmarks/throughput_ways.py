"""Train ResNet50_vd in the three ways that ``throughput.py`` compares.

Each way is a function that returns another: calling that trains for one turn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytorch_lightning as pl
import timm
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from pipeline.trials.journal import Journal
from synthetic import CLASSES, configured, run_trial
from without_mlflow import Stock, crops

EPOCHS = 2
PHOTOGRAPHS = Path("photographs")
"""Folder of the files for stock. The pixel store for the trial has the same name."""


@dataclass(frozen=True)
class Load:
    """The work of one turn: ``EPOCHS`` times ``epoch_steps`` batches of ``size`` px crops."""

    size: int
    batch: int
    epoch_steps: int


def floor(load: Load, precision: str) -> Callable[[], None]:
    """Return a turn of a bare loop over batches that are ready in memory."""
    network = timm.create_model("resnet50d", num_classes=CLASSES)
    network = network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, fused=True
    )
    images = torch.randn(2, load.batch, 3, load.size, load.size)
    batches = [batch.contiguous(memory_format=torch.channels_last) for batch in images]
    labels = torch.arange(load.batch) % CLASSES

    def turn() -> None:
        for step in range(EPOCHS * load.epoch_steps):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                logits = network(batches[step % 2])
            cross_entropy(logits.float(), labels).backward()
            optimizer.step()

    return turn


def trial(load: Load, journal: Journal) -> Callable[[], None]:
    """Return a turn of this project: each call trains another trial on the pixel store."""
    cfg = configured(
        PHOTOGRAPHS.name,
        f"recipe.epochs={EPOCHS}",
        f"recipe.batch_size={load.batch}",
        f"recipe.image_size={load.size}",
        f"recipe.resize_size={max(32, load.size * 8 // 7)}",
    )
    numbers = count()

    def turn() -> None:
        run_trial(cfg, journal, next(numbers))

    return turn


class Logged(Stock):
    """Also logs the loss of each step, as Lightning's introduction does."""

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        loss = super().training_step(batch, index)
        self.log("train_loss", loss)
        return loss


def stock(load: Load) -> Callable[[], None]:
    """Return a turn of Lightning on the JPEG files."""
    images = ImageFolder(PHOTOGRAPHS, crops(load.size))
    loader = DataLoader(images, batch_size=load.batch, shuffle=True)

    def turn() -> None:
        pl.Trainer(
            accelerator="cpu",
            max_epochs=EPOCHS,
            limit_train_batches=load.epoch_steps,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=".",
        ).fit(Logged(timm.create_model("resnet50d", num_classes=CLASSES)), loader)

    return turn
