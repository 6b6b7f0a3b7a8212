"""What happens beside a trial's steps: progress, the record of each epoch, checkpoints, limits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm

from pipeline.datasets.files import replacing
from pipeline.training.classifier import Classifier

EpochRecord = Callable[[Mapping[str, float | int]], None]


class TrialTooLongError(Exception):
    """The trial passed ``tune.max_trial_seconds``."""


class Progress(Callback):
    """One bar per trial with images per second and the time left; silent without a terminal."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        schedule = pl_module.schedule
        self.bar = tqdm(
            total=schedule.steps * schedule.batch_size,
            initial=trainer.global_step * schedule.batch_size,
            desc=self.label,
            unit=" images",
            leave=False,
            disable=None,
            file=sys.stderr,
        )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        assert self.bar is not None
        assert isinstance(pl_module, Classifier)
        self.bar.update(pl_module.schedule.batch_size)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        if self.bar is not None and pl_module.curve:
            last = pl_module.curve[-1]
            self.bar.set_postfix(epoch=last["epoch"], top1=f"{last['top1']:.4f}")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.close()


class Record(Callback):
    """Hand each new row of the curve to ``write``, once."""

    def __init__(self, write: EpochRecord) -> None:
        self.write = write

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        if pl_module.curve and pl_module.curve[-1]["epoch"] == trainer.current_epoch + 1:
            self.write(pl_module.curve[-1])


class TimeLimit(Callback):
    """Raise TrialTooLongError at the first step after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.start = seconds, time.monotonic()

    def on_train_batch_end(self, *_: object) -> None:
        if time.monotonic() - self.start > self.seconds:
            raise TrialTooLongError(f"longer than tune.max_trial_seconds ({self.seconds:g} s)")


class Checkpoint(Callback):
    """Write the state at the first epoch end ``seconds`` or more after the last checkpoint.

    It stands last among the callbacks, so that everything of the epoch is in the file.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds, self.last = path, seconds, time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if time.monotonic() - self.last < self.seconds:
            return
        with replacing(self.path) as temporary:
            trainer.save_checkpoint(temporary)
        self.last = time.monotonic()
