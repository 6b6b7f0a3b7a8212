"""Batches by address, and which splits a trial may see."""

import threading

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from pipeline.datasets.manifest import Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.settings.schema import Config, MachineConfig, ProtocolConfig, RecipeConfig
from pipeline.training import data as training_data
from pipeline.training.cropping import HostCropper
from pipeline.training.data import (
    AheadLoader,
    Purpose,
    StepAddress,
    TestSetLockedError,
    TrainingCrops,
    TrialData,
    split_plan,
)
from pipeline.training.schedule import Schedule

HELDOUT, PADDLE = ProtocolConfig(name="heldout"), ProtocolConfig(name="paddle")
RECIPE = RecipeConfig(name="r", epochs=2, batch_size=16, image_size=32, resize_size=32)


@pytest.fixture(scope="module")
def manifest(prepared_digits):
    return Manifest.load(prepared_digits / "prepared" / "digits")


@pytest.fixture(scope="module")
def store(prepared_digits, manifest):
    return PixelStore(prepared_digits / "prepared" / "digits" / "pixels.bin", manifest)


class Trainer:
    """What the data asks of a trainer."""

    def __init__(self, steps=0):
        self.global_step = steps


def data(manifest, store, *, recipe=RECIPE, protocol=HELDOUT, purpose=Purpose.SEARCH, steps=0):
    machine = MachineConfig(device="cpu", data="host")
    cfg = Config.model_construct(recipe=recipe, machine=machine, seed=7, mixup=False)
    made = TrialData(cfg, split_plan(protocol, purpose), manifest, store)
    made.trainer = Trainer(steps)
    return made


@pytest.mark.parametrize(
    ("device", "where", "pinned"),
    [("cuda", "host", True), ("cuda", "device", False), ("cpu", "host", False)],
)
def test_only_crops_that_go_to_a_card_are_pinned(
    manifest, store, monkeypatch, device, where, pinned
):
    monkeypatch.setattr(training_data, "cropper", lambda *_: None)
    machine = MachineConfig(device=device, data=where)
    cfg = Config.model_construct(recipe=RECIPE, machine=machine, seed=7, mixup=False)
    assert TrialData(cfg, split_plan(HELDOUT, Purpose.SEARCH), manifest, store).pinned is pinned


def test_a_search_never_sees_the_test_split(manifest, store):
    made = data(manifest, store)
    assert set(made.rows) == set(manifest.rows(["train"]))
    measured = torch.cat([batch.labels for batch in made.val_dataloader()])
    assert torch.equal(measured, torch.from_numpy(manifest.labels[manifest.rows(["val"])]))
    with pytest.raises(TestSetLockedError, match="opened once, by evaluate"):
        made.test_dataloader()


def test_a_refit_trains_on_both_and_predicts_the_test_split_in_order(manifest, store):
    made = data(manifest, store, purpose=Purpose.FINAL)
    assert set(made.rows) == set(manifest.rows(["train", "val"]))
    assert made.val_dataloader() == []
    labels = torch.cat([batch.labels for batch in made.test_dataloader()])
    assert torch.equal(labels, torch.from_numpy(manifest.labels[manifest.rows(["test"])]))


@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_paddle_protocol_selects_on_the_test_list(manifest, store, purpose):
    made = data(manifest, store, protocol=PADDLE, purpose=purpose)
    assert set(made.rows) == set(manifest.rows(["train", "val"]))
    assert sum(len(b.labels) for b in made.val_dataloader()) == len(manifest.rows(["test"]))
    with pytest.raises(TestSetLockedError):
        made.test_dataloader()


def test_an_epoch_has_every_image_at_most_once_and_another_order_than_the_next(manifest, store):
    orders = []
    for epoch in range(2):
        steps = list(data(manifest, store, steps=3 * epoch).train_dataloader().sampler)
        rows = np.concatenate([address.rows for address in steps])
        assert [address.step for address in steps] == [0, 1, 2]
        assert {len(address.rows) for address in steps} == {16}
        assert len(set(rows)) == len(rows) == 48
        assert set(rows) <= set(manifest.rows(["train"]))
        orders.append(rows.tolist())
    assert orders[0] != orders[1]


def test_classes_are_drawn_equally_often_from_uneven_images(manifest, store):
    recipe = RECIPE.model_copy(update={"class_balance": "sampling"})
    made = data(manifest, store, recipe=recipe)
    zeros = made.rows[manifest.labels[made.rows] == 0]
    ones = made.rows[manifest.labels[made.rows] == 1]
    made.rows = np.concatenate([zeros, np.repeat(ones[:1], 40)])
    made.schedule = Schedule(len(made.rows), recipe)
    order = made.train_dataloader().sampler
    drawn = np.concatenate(
        [address.rows for epoch in range(20) for address in epoch_of(order, epoch)]
    )
    share = np.isin(drawn, zeros).mean()
    assert 0.4 < share < 0.6
    assert set(drawn) == set(made.rows)


def epoch_of(order, epoch):
    order.done = lambda: epoch * len(order)
    return list(order)


def test_an_epoch_goes_on_at_the_next_step(manifest, store):
    whole = list(data(manifest, store, steps=3).train_dataloader().sampler)
    rest = list(data(manifest, store, steps=4).train_dataloader().sampler)
    assert [(each.epoch, each.step) for each in rest] == [(1, 1), (1, 2)]
    assert [each.rows.tolist() for each in rest] == [each.rows.tolist() for each in whole[1:]]


def test_a_batch_follows_from_its_address_alone(manifest, store):
    first = list(data(manifest, store).train_dataloader())
    again = list(data(manifest, store).train_dataloader())
    next_epoch = list(data(manifest, store, steps=3).train_dataloader())
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels, two.labels)
    assert not torch.equal(first[0].images, next_epoch[0].images)
    assert first[0].images.dtype == torch.uint8
    assert first[0].images.shape == (16, 32, 32, 3)
    assert first[0].partners is None


def test_one_batch_is_cut_while_the_one_before_it_is_used():
    begun = [threading.Event() for _ in range(3)]

    class Numbers(Dataset):
        def __getitem__(self, number):
            begun[number].set()
            return number

    batches = iter(AheadLoader(Numbers(), sampler=range(3), batch_size=None))
    assert next(batches) == 0
    assert begun[1].wait(60)
    assert not begun[2].is_set()
    assert list(batches) == [1, 2]


def test_an_error_in_a_batch_is_raised_where_the_batch_is_due():
    batches = iter(AheadLoader([10, 11], sampler=[0, 1, 2], batch_size=None))
    assert [next(batches), next(batches)] == [10, 11]
    with pytest.raises(IndexError):
        next(batches)


def test_a_set_smaller_than_a_batch_is_one_batch(manifest, store):
    recipe = RECIPE.model_copy(update={"batch_size": 256})
    (batch,) = data(manifest, store, recipe=recipe).train_dataloader()
    assert sorted(batch.labels.tolist()) == sorted(manifest.labels[manifest.rows(["train"])])


def test_mixup_permutes_the_batch_with_one_coefficient(manifest, store):
    crops = TrainingCrops(HostCropper(store, RECIPE), manifest.labels, RECIPE, seed=7, mixup=True)
    rows = manifest.rows(["train"])[:16]
    batches = [crops[StepAddress(0, step, rows)] for step in range(50)]
    for batch in batches:
        assert sorted(batch.partners.tolist()) == list(range(16))
        assert 0 <= batch.lam <= 1
    lams = [batch.lam for batch in batches]
    assert len(set(lams)) == 50
    # Beta(0.2, 0.2) is mostly near 0 or 1: the middle half holds about a sixth of it
    assert sum(0.25 < lam < 0.75 for lam in lams) < 20
    plain = TrainingCrops(HostCropper(store, RECIPE), manifest.labels, RECIPE, seed=7, mixup=False)
    assert torch.equal(plain[StepAddress(0, 3, rows)].images, batches[3].images)


def test_flips_are_left_out_where_an_image_has_a_side(manifest, store):
    whole = {"crop_scale": [1.0, 1.0], "crop_sampling": "paddle"}
    rows = np.repeat(manifest.rows(["train"])[:1], 64)

    def distinct(flip):
        recipe = RECIPE.model_copy(update={**whole, "horizontal_flip": flip})
        images = TrainingCrops(HostCropper(store, recipe), manifest.labels, recipe, 7, False)[
            StepAddress(0, 0, rows)
        ]
        found = {image.numpy().tobytes() for image in images.images}
        mirrored = {image.numpy()[:, ::-1].tobytes() for image in images.images}
        return found, mirrored

    plain, _ = distinct(False)
    both, mirrored = distinct(True)
    assert both & mirrored
    assert len(both) > len(plain)


def test_one_image_is_too_little_to_train_on(manifest, store):
    table = manifest.table.slice(int(manifest.rows(["train"])[0]), 1)
    with pytest.raises(ValueError, match="1 training images"):
        data(Manifest.of(table, manifest.class_names, ""), store)
