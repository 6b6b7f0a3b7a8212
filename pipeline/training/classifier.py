"""Define the LightningModule that trains one network and records its curve."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from pipeline.settings.point import Point
from pipeline.settings.schema import ModelConfig, RecipeConfig
from pipeline.training.compiling import compiled_forward, forward
from pipeline.training.data import Batch
from pipeline.training.devices import as_delivered
from pipeline.training.losses import mix, mixed_cross_entropy
from pipeline.training.metrics import Metrics, measure
from pipeline.training.parameter_groups import parameter_groups
from pipeline.training.schedule import Schedule, micro_batches
from pipeline.training.temperature import fit_temperature

LOSS_CHECK_STEPS = 20
"""Steps between checks of the loss; each check waits for the device."""


class Classifier(pl.LightningModule):
    """Trains by the recipe and keeps the curve: one row of measurements per epoch.

    The optimiser is stepped by hand, because gradients are accumulated over the micro-batches of a
    batch, and the learning rate depends only on the step.
    """

    mean: Tensor
    std: Tensor
    class_weights: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        model: ModelConfig,
        recipe: RecipeConfig,
        point: Point,
        schedule: Schedule,
        class_weights: Tensor | None = None,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network.to(memory_format=torch.channels_last)
        self.recipe, self.point, self.schedule = recipe, point, schedule
        self.step_forward = compiled_forward() if compiled else forward
        self.register_buffer("mean", 255 * torch.tensor(model.mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", 255 * torch.tensor(model.std).view(1, 3, 1, 1), False)
        self.register_buffer("class_weights", class_weights, False)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = schedule.batch_norm_momentum()
        self.curve: list[dict[str, float | int]] = []
        self.diverged = False
        self.measured: Metrics | None = None
        self.logits: Tensor | None = None
        self._losses: list[Tensor] = []
        self._outputs: list[tuple[Tensor, Tensor]] = []

    def normalise(self, images: Tensor) -> Tensor:
        """Convert uint8 [N, H, W, 3] to normalised float [N, 3, H, W], channels last in memory."""
        return images.permute(0, 3, 1, 2).float().sub_(self.mean).div_(self.std)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits [N, K] of uint8 images [N, H, W, 3]."""
        return self.network(self.normalise(images))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD with L2 decay on every parameter, including batch norm and biases.

        ``fused`` reads the weights once instead of four times. Momentum begins at zero: else torch
        leaves it uninitialised when the loss scaling of fp16 skips the first step.
        """
        peak = self.schedule.peak(self.point.lr)
        decay = self.point.l2_decay
        optimizer = torch.optim.SGD(
            parameter_groups(self.network, self.recipe.stage_lr),
            lr=peak,
            momentum=self.recipe.momentum,
            nesterov=self.recipe.nesterov,
            weight_decay=decay / peak if self.recipe.decay_over_lr else decay,
            fused=True,
        )
        for parameter in self.network.parameters():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer

    def training_step(self, batch: Batch, _index: int) -> None:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        rate = self.schedule.peak(self.point.lr) * self.schedule.factor(self.global_step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_factor"]
        images, labels, lam = self.normalise(batch.images), batch.labels, batch.lam
        partners = None
        if batch.partners is not None:
            images, partners = mix(images, images[batch.partners], lam), labels[batch.partners]
        smoothing = self.recipe.smoothing_epsilon if self.point.label_smoothing else 0.0
        optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        for part in micro_batches(len(labels), self.recipe.micro_batch):
            loss = mixed_cross_entropy(
                self.step_forward(self.network, images[part]),
                labels[part],
                None if partners is None else partners[part],
                lam,
                smoothing,
                reduction="sum",
                class_weights=self.class_weights,
            ) / len(labels)
            self.manual_backward(loss)
            total += loss.detach()
        optimizer.step()
        self._losses.append(total)
        if len(self._losses) % LOSS_CHECK_STEPS == 0 and not math.isfinite(float(total)):
            self._diverge()
        if self.global_step >= self.schedule.steps:
            self.trainer.should_stop = True

    def on_fit_start(self) -> None:
        """Move the losses of a resumed epoch to the device.

        Lightning loads them while the network is still on the host.
        """
        self._losses = [loss.to(self.device) for loss in self._losses]

    def _diverge(self) -> None:
        self.diverged = True
        self.trainer.should_stop = True

    def on_train_epoch_start(self) -> None:
        self._losses.clear()

    def mean_loss(self) -> float:
        """Return the mean loss of this epoch's steps so far."""
        return float(torch.stack(self._losses).mean())

    def on_validation_epoch_start(self) -> None:
        self._outputs.clear()

    def validation_step(self, batch: Batch, _index: int) -> None:
        self._outputs.append((self(batch.images).float(), batch.labels))  # no wait for the device

    def on_validation_epoch_end(self) -> None:
        """Add the epoch to the curve; end the trial if the loss is not finite."""
        train_loss = self.mean_loss()
        self._losses.clear()
        measured, logits, labels = self._measure()
        row: dict[str, float | int] = {"epoch": self.current_epoch + 1, "train_loss": train_loss}
        row |= measured.scalars()
        if not all(math.isfinite(value) for value in row.values()):
            self._diverge()
            return
        if self.global_step >= self.schedule.steps:  # the network that is compared and chosen
            row["temperature"] = fit_temperature(logits, labels)
        self.curve.append(row)

    on_test_epoch_start = on_validation_epoch_start

    def test_step(self, batch: Batch, index: int) -> None:
        """Measure the network that is delivered, whatever precision it was trained in."""
        with as_delivered(self.device.type):
            self.validation_step(batch, index)

    def on_test_epoch_end(self) -> None:
        self.measured, self.logits, _ = self._measure()
        self.diverged = not math.isfinite(self.measured.loss)

    def _measure(self) -> tuple[Metrics, Tensor, Tensor]:
        """Return the metrics of the split that was predicted, its logits [N, K] and labels [N]."""
        logits = torch.cat([outputs for outputs, _ in self._outputs]).cpu()
        labels = torch.cat([labels for _, labels in self._outputs]).cpu()
        self._outputs.clear()
        return measure(logits, labels), logits, labels

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["curve"], checkpoint["diverged"] = self.curve, self.diverged
        checkpoint["losses"] = [loss.cpu() for loss in self._losses]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.curve, self.diverged = checkpoint["curve"], checkpoint["diverged"]
        self._losses = checkpoint["losses"]
