"""Compute the learning rate from the step alone, and divide an epoch into batches."""

import math
from dataclasses import dataclass

from pipeline.settings.schema import RecipeConfig

REFERENCE_BATCH = 256
"""Batch size for which learning rates are stated; they scale linearly (Goyal et al. 2017)."""


@dataclass(frozen=True)
class Schedule:
    """The length and the learning rate of one training run."""

    images: int
    recipe: RecipeConfig

    @property
    def batch_size(self) -> int:
        """Images per step: the recipe's batch size, or the whole training set if it is smaller."""
        return min(self.recipe.batch_size, self.images)

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch. A partial last batch is dropped; there is always a full one."""
        return self.images // self.batch_size

    @property
    def epochs(self) -> int:
        if self.recipe.epochs is not None:
            return self.recipe.epochs
        assert self.recipe.steps is not None
        return math.ceil(self.recipe.steps / self.steps_per_epoch)

    @property
    def steps(self) -> int:
        return self.recipe.steps or self.epochs * self.steps_per_epoch

    def peak(self, lr: float) -> float:
        """Return the peak learning rate for this batch size, from the one stated per 256 images."""
        return lr * self.recipe.batch_size / REFERENCE_BATCH

    def factor(self, step: int) -> float:
        """Return the factor on the peak at a step (from 0): warm-up, then cosine to zero.

        ``cosine_per_epoch`` uses the value of the epoch's first step for the whole epoch, as
        Paddle's static ``cosine_decay`` did in 2020.
        """
        warmup = round(self.recipe.warmup_epochs * self.steps_per_epoch)
        if step < warmup:
            return step / warmup
        if self.recipe.schedule == "cosine_per_epoch":
            step = max(warmup, step - step % self.steps_per_epoch)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup)))

    def batch_norm_momentum(self) -> float:
        """Batch norm's momentum as torch defines it: the weight of the newest batch.

        Kornblith et al. 2019 keep max(1 - 10/s, 0.9) of the old value, with s steps per epoch.
        """
        if self.recipe.bn_momentum == "kornblith":
            return min(10 / self.steps_per_epoch, 0.1)
        return self.recipe.bn_momentum


def micro_batches(images: int, size: int | None) -> list[slice]:
    """Cut a batch into slices of ``size``; a single last image joins the slice before it.

    Batch norm cannot normalise a single image.
    """
    if size is None or size >= images:
        return [slice(0, images)]
    starts = list(range(0, images, size))
    if images - starts[-1] == 1 and len(starts) > 1:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], images], strict=True)]
