"""Define the callbacks of a trial: progress bar, record of each epoch, checkpoints."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.exceptions import SIGTERMException
from tqdm import tqdm

from pipeline.base.files import replacing
from pipeline.training.classifier import Classifier

CHECKPOINT_SECONDS = 60.0
"""Minimum seconds between checkpoints: one of ResNet50_vd is 180 MB and takes up to a second."""

EpochRecord = Callable[[Mapping[str, float | int]], None]


class Progress(Callback):
    """Shows a bar per trial with images per second and time left; silent without a terminal."""

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
    """Passes each new row of the curve to ``write``, once.

    A trial that measures nothing after an epoch passes its training loss only.
    """

    def __init__(self, write: EpochRecord) -> None:
        self.write = write

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        epoch = trainer.current_epoch + 1
        if pl_module.curve and pl_module.curve[-1]["epoch"] == epoch:
            self.write(pl_module.curve[-1])
        elif not trainer.limit_val_batches:
            loss = pl_module.mean_loss()
            if math.isfinite(loss):
                self.write({"epoch": epoch, "train_loss": loss})


class Checkpoint(Callback):
    """Saves the trial's state at intervals, and when a SIGTERM stops the trial.

    It writes at the first epoch end ``seconds`` or more after the last checkpoint. After a SIGTERM
    it writes at the next step or epoch end, and the trial ends with SystemExit.

    Must be the last callback: the checkpoint then contains the whole epoch. Also saves the elapsed
    seconds (``spent``).
    """

    def __init__(self, path: Path, seconds: float = CHECKPOINT_SECONDS) -> None:
        self.path, self.seconds, self.last = path, seconds, time.monotonic()
        self.begin, self.earlier = self.last, 0.0

    @property
    def spent(self) -> float:
        """Seconds since the start, including those before the checkpoint that was resumed."""
        return self.earlier + time.monotonic() - self.begin

    def state_dict(self) -> dict[str, float]:
        return {"spent": self.spent}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.earlier = state_dict["spent"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        ending = trainer.is_last_batch or trainer.should_stop  # validation comes next
        if trainer.received_sigterm and not ending:
            self._write(trainer)
            raise SIGTERMException

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.received_sigterm or time.monotonic() - self.last >= self.seconds:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        """Write a checkpoint; if that fails, print why and continue, since stopping loses more."""
        self.last = time.monotonic()
        try:
            with replacing(self.path) as temporary:
                trainer.save_checkpoint(temporary)
        except OSError as error:
            print(f"no checkpoint written at {self.path}: {error}", file=sys.stderr)
