"""The learning rate as a pure function of the step, and how an epoch falls into batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.settings.schema import RecipeConfig

REFERENCE_BATCH = 256
"""Learning rates are stated per so many images and scaled linearly (Goyal et al. 2017)."""


@dataclass(frozen=True)
class Schedule:
    """The length and the learning rate of one training run."""

    images: int
    recipe: RecipeConfig

    @property
    def batch_size(self) -> int:
        """Images of a step: the recipe's, or all of a set that is smaller than a batch."""
        return min(self.recipe.batch_size, self.images)

    @property
    def steps_per_epoch(self) -> int:
        """The last partial batch is dropped, for a full one exists."""
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
        """The learning rate of a step, from the one stated per 256 images."""
        return lr * self.recipe.batch_size / REFERENCE_BATCH

    def factor(self, step: int) -> float:
        """What the peak is multiplied with at a step (from 0): warm-up, then cosine to zero.

        ``cosine_per_epoch`` holds the value of the epoch's first step, as Paddle's static
        ``cosine_decay`` did in 2020.
        """
        warmup = round(self.recipe.warmup_epochs * self.steps_per_epoch)
        if step < warmup:
            return step / warmup
        if self.recipe.schedule == "cosine_per_epoch":
            step = max(warmup, step - step % self.steps_per_epoch)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup)))

    def batch_norm_momentum(self) -> float:
        """In torch's convention. Kornblith et al. 2019: max(1 - 10/s, 0.9) of the old value."""
        if self.recipe.bn_momentum == "kornblith":
            return min(10 / self.steps_per_epoch, 0.1)
        return self.recipe.bn_momentum


def micro_batches(images: int, size: int | None) -> list[slice]:
    """Cut a batch into slices of ``size``; a lone last image joins the slice before it.

    A lone image cannot be normalised by its batch.
    """
    if size is None or size >= images:
        return [slice(0, images)]
    starts = list(range(0, images, size))
    if images - starts[-1] == 1 and len(starts) > 1:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], images], strict=True)]
