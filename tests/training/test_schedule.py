import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings.schema import RecipeConfig
from pipeline.training.schedule import Schedule, micro_batches


def schedule(images=100, **recipe):
    recipe = {"name": "r", "batch_size": 10} | recipe
    if "steps" not in recipe:
        recipe.setdefault("epochs", 4)
    return Schedule(images, RecipeConfig(**recipe))


def test_cosine_falls_at_every_step_from_the_peak_towards_zero():
    made = schedule()
    factors = [made.factor(step) for step in range(made.steps)]
    assert made.steps == 40
    assert factors[0] == 1
    assert factors[20] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in itertools.pairwise(factors))
    assert made.factor(made.steps) == pytest.approx(0, abs=1e-12)


def test_cosine_per_epoch_is_paddles_staircase():
    made = schedule(schedule="cosine_per_epoch")
    expected = [0.5 * (math.cos(epoch * math.pi / 4) + 1) for epoch in range(4) for _ in range(10)]
    assert [made.factor(step) for step in range(40)] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["cosine", "cosine_per_epoch"])
def test_warm_up_rises_from_zero_to_the_peak(kind):
    made = schedule(schedule=kind, warmup_epochs=1.5)
    assert [made.factor(step) for step in range(15)] == [step / 15 for step in range(15)]
    assert made.factor(15) == 1
    assert 0 < made.factor(39) < 0.35


@given(
    images=st.integers(2, 5000),
    batch=st.integers(2, 512),
    epochs=st.integers(1, 30),
    warmup=st.floats(0, 3),
    kind=st.sampled_from(["cosine", "cosine_per_epoch"]),
)
def test_the_factor_stays_between_nothing_and_the_peak(images, batch, epochs, warmup, kind):
    made = schedule(
        images, batch_size=batch, epochs=epochs, warmup_epochs=min(warmup, epochs), schedule=kind
    )
    for step in {0, made.steps // 2, made.steps - 1}:
        assert 0 <= made.factor(step) <= 1


def test_steps_need_not_fill_the_last_epoch():
    made = schedule(steps=25)
    assert (made.steps_per_epoch, made.epochs, made.steps) == (10, 3, 25)
    assert made.factor(25) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("images", "size", "per_epoch"), [(100, 10, 10), (109, 10, 10), (10, 10, 1), (9, 9, 1)]
)
def test_the_partial_batch_is_dropped_only_if_a_full_one_exists(images, size, per_epoch):
    made = schedule(images)
    assert (made.batch_size, made.steps_per_epoch) == (size, per_epoch)


def test_the_learning_rate_is_stated_per_256_images():
    assert schedule(batch_size=256).peak(0.03) == 0.03
    assert schedule(batch_size=32).peak(0.03) == pytest.approx(0.00375)


def test_batch_norm_momentum():
    assert schedule().batch_norm_momentum() == 0.1
    assert schedule(bn_momentum=0.3).batch_norm_momentum() == 0.3
    made = schedule(100_000, bn_momentum="kornblith")  # s = 10,000 steps: max(1 - 10/s, 0.9)
    assert made.batch_norm_momentum() == pytest.approx(0.001)
    assert schedule(bn_momentum="kornblith").batch_norm_momentum() == 0.1


@given(images=st.integers(1, 300), size=st.none() | st.integers(1, 300))
def test_micro_batches_cover_the_batch_once_and_in_order(images, size):
    parts = micro_batches(images, size)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(images))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) <= (size or images) + 1
    if size is None or size > 1:
        assert images == 1 or min(lengths) > 1, "a lone image cannot be normalised by its batch"


def test_a_lone_last_image_joins_the_part_before():
    assert micro_batches(9, 4) == [slice(0, 4), slice(4, 9)]
    assert micro_batches(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert micro_batches(3, 8) == [slice(0, 3)]
