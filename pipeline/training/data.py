"""Load batches of stored images: random crops for training, centre crops for evaluation."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.datasets.manifest import Manifest, Split
from pipeline.datasets.pixels import PixelStore
from pipeline.settings.schema import Config, ProtocolConfig, RecipeConfig
from pipeline.training.augment import centre_window, random_window
from pipeline.training.balance import class_weights, image_chances, share_of
from pipeline.training.cropping import Cropper, cropper
from pipeline.training.random_streams import generator
from pipeline.training.schedule import Schedule

EVALUATION_BATCH = 64
TEST: tuple[Split, ...] = ("test",)


class Purpose(StrEnum):
    """What a trial is for. Only ``FINAL`` opens the test split under the held-out protocol."""

    SEARCH = "search"
    FINAL = "final"


class TestSetLockedError(RuntimeError):
    """Test images were requested before the final evaluation."""

    __test__ = False  # else pytest takes the name for a test class


@dataclass(frozen=True)
class SplitPlan:
    """The splits that a trial trains on, measures after each epoch, and predicts at the end."""

    train: tuple[Split, ...]
    measure: Split | None
    predict: Split | None


def split_plan(protocol: ProtocolConfig, purpose: Purpose) -> SplitPlan:
    """Return the splits of a trial by its protocol and purpose.

    ``paddle`` selects on the test list, as PaddleClas did; ``heldout`` never does.
    """
    if protocol.name == "paddle":
        return SplitPlan(("train", "val"), measure="test", predict=None)
    if purpose is Purpose.FINAL:
        return SplitPlan(("train", "val"), measure=None, predict="test")
    return SplitPlan(("train",), measure="val", predict=None)


class Batch(NamedTuple):
    """A batch: images are uint8 [N, H, W, 3], labels int64 [N].

    With mixup, ``partners`` is a permutation of the batch. Without, it is None and ``lam`` is 1.
    """

    images: Tensor
    labels: Tensor
    partners: Tensor | None
    lam: float


class StepAddress(NamedTuple):
    epoch: int
    step: int
    rows: NDArray[np.int64]


@dataclass(eq=False)
class EpochOrder(Sampler[StepAddress]):
    """Yields the remaining steps of the current epoch; their order depends on (seed, epoch) alone.

    With ``chances``, one per row, an epoch's images are drawn with repetition instead of shuffled.

    ``done`` returns how many steps the trial has taken, so a trial that was stopped within an epoch
    continues at the next step.
    """

    rows: NDArray[np.int64]
    schedule: Schedule
    seed: int
    done: Callable[[], int]
    chances: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return self.schedule.steps_per_epoch

    def __iter__(self) -> Iterator[StepAddress]:
        epoch, first = divmod(self.done(), len(self))
        rng = generator("order", self.seed, epoch)
        if self.chances is None:
            order = rng.permutation(self.rows)
        else:
            order = rng.choice(self.rows, len(self.rows), p=self.chances)
        size = self.schedule.batch_size
        for step in range(first, len(self)):
            yield StepAddress(epoch, step, order[step * size : (step + 1) * size])


@dataclass(eq=False)
class TrainingCrops(Dataset[Batch]):
    """Gives a batch of random crops for each step address."""

    cropper: Cropper
    labels: NDArray[np.int64]
    recipe: RecipeConfig
    seed: int
    mixup: bool

    def __getitem__(self, address: StepAddress) -> Batch:
        recipe, rows, cropper = self.recipe, address.rows, self.cropper
        rng = generator("crop", self.seed, address.epoch, address.step)
        sizes = [cropper.store.size(int(row)) for row in rows]
        images = cropper.crops(rows, [random_window(*size, recipe, rng) for size in sizes])
        labels = cropper.tensor(self.labels[rows])
        if not self.mixup:
            return Batch(images, labels, None, 1.0)
        rng = generator("mixup", self.seed, address.epoch, address.step)
        lam = float(rng.beta(recipe.mixup_alpha, recipe.mixup_alpha))
        partners = cropper.tensor(rng.permutation(len(rows)))
        return Batch(images, labels, partners, lam)


@dataclass(eq=False)
class CentreCrops(Dataset[Batch]):
    """Gives a batch of centre crops for each array of row numbers."""

    cropper: Cropper
    labels: NDArray[np.int64]
    recipe: RecipeConfig

    def __getitem__(self, rows: NDArray[np.int64]) -> Batch:
        how, cropper = self.recipe, self.cropper
        sizes = [cropper.store.size(int(row)) for row in rows]
        windows = [centre_window(*size, how.resize_size, how.image_size) for size in sizes]
        labels = cropper.tensor(self.labels[rows])
        return Batch(cropper.crops(rows, windows), labels, None, 1.0)


class AheadLoader(DataLoader[Batch]):
    """Cuts the next batch in a thread while the network works on this one."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # any iterator will do
        batches = super().__iter__()
        with ThreadPoolExecutor(1) as thread:
            coming = thread.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = thread.submit(next, batches, None)
                yield batch


class TrialData(pl.LightningDataModule):
    """Loads the images of one trial, for resolved settings of the machine.

    Raises ValueError with fewer than two training images.
    """

    def __init__(self, cfg: Config, plan: SplitPlan, manifest: Manifest, store: PixelStore) -> None:
        super().__init__()
        recipe, machine = cfg.recipe, cfg.machine
        self.manifest, self.recipe, self.plan = manifest, recipe, plan
        self.seed, self.mixup = cfg.seed, cfg.mixup
        self.rows = manifest.rows(plan.train)
        if recipe.train_share < 1:
            self.rows = share_of(self.rows, manifest.labels[self.rows], recipe.train_share)
        if len(self.rows) < 2:
            raise ValueError(f"{len(self.rows)} training images: batch norm needs at least two")
        self.schedule = Schedule(len(self.rows), recipe)
        self.cropper = cropper(store, recipe, machine.data, machine.device)
        self.pinned = machine.data == "host" and machine.device == "cuda"

    def class_weights(self) -> Tensor | None:
        """Return the float32 weight of each class in the loss, [K]; None for equal weights."""
        if self.recipe.class_balance != "weights":
            return None
        labels = self.manifest.labels[self.rows]
        return torch.from_numpy(class_weights(labels, len(self.manifest.class_names))).float()

    def train_dataloader(self) -> DataLoader[Batch]:
        trainer = self.trainer
        assert trainer is not None
        labels, done = self.manifest.labels, lambda: trainer.global_step
        crops = TrainingCrops(self.cropper, labels, self.recipe, self.seed, self.mixup)
        sampling = self.recipe.class_balance == "sampling"
        chances = image_chances(labels[self.rows]) if sampling else None
        order = EpochOrder(self.rows, self.schedule, self.seed, done, chances)
        return self._loader(crops, order)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        """Return a loader for the split measured after each epoch; an empty list if none is."""
        return self._centre_crops(self.plan.measure) if self.plan.measure else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return a loader for the split that is predicted at the end.

        Raises TestSetLockedError if the plan has none.
        """
        if self.plan.predict is None:
            raise TestSetLockedError("the test split is opened once, by evaluate")
        return self._centre_crops(self.plan.predict)

    def _centre_crops(self, split: Split) -> DataLoader[Batch]:
        rows = self.manifest.rows((split,))
        batches = np.split(rows, range(EVALUATION_BATCH, len(rows), EVALUATION_BATCH))
        return self._loader(CentreCrops(self.cropper, self.manifest.labels, self.recipe), batches)

    def _loader(self, dataset: Dataset[Batch], sampler: object) -> DataLoader[Batch]:
        return AheadLoader(
            dataset,
            sampler=sampler,  # type: ignore[arg-type]  # any iterable of addresses will do
            batch_size=None,
            pin_memory=self.pinned,
        )
