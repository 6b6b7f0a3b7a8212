"""A search is fitted into hours, from the seconds that an image takes at each size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.planning.budget import HOUR, MOST_TRIALS, fit
from pipeline.planning.timing import Speed
from pipeline.settings.dataset import CountsConfig
from pipeline.settings.schema import RecipeConfig

RECIPE = RecipeConfig(name="quick20", epochs=20, batch_size=32)
SIDES = (224, 128, 64)


def speed(side: int, seconds: float) -> Speed:
    """Seconds per image at 224 px; they shrink with the area."""
    train = seconds * (side / 224) ** 2
    return Speed("cpu", "float32", 1, train=train, evaluate=train / 3, memory=1, free=2)


def fitted(hours, seconds, images, overhead=60.0, *, pretrained=False):
    measured = []

    def measure(side: int) -> Speed:
        measured.append(side)
        return speed(side, seconds)

    splits = CountsConfig(train=images, val=images // 4, test=images // 4)
    return fit(
        hours, lambda: overhead, SIDES, RECIPE, splits, measure, pretrained=pretrained
    ), measured


@given(
    hours=st.floats(0.02, 100),
    seconds=st.floats(1e-4, 1),
    images=st.integers(2, 100_000),
    overhead=st.floats(0, 60),
)
def test_a_plan_fits_its_time_or_says_the_least(hours, seconds, images, overhead):
    try:
        plan, measured = fitted(hours, seconds, images, overhead)
    except UserError as error:
        least = float(str(error).rpartition(" ")[2])
        assert least > hours
        again, _ = fitted(least, seconds, images, overhead)
        assert again.trials >= 1
        return
    assert plan.total <= hours * HOUR * 1.000001
    assert plan.total == pytest.approx(
        overhead + plan.trials * plan.trial + plan.refits * plan.refit
    )
    assert 1 <= plan.trials <= MOST_TRIALS
    assert (measured[0], measured[-1]) == (SIDES[0], plan.side)


def test_more_time_gives_longer_trials_then_larger_images():
    short, _ = fitted(0.1, 0.01, 1000)
    longer, _ = fitted(0.25, 0.01, 1000)
    long, measured = fitted(100, 0.01, 1000)
    assert (short.side, longer.side, long.side) == (64, 128, 224)
    assert (long.epochs, long.trials, long.refits, measured) == (40, MOST_TRIALS, 3, [224])


def test_too_few_hours_are_an_error_with_the_least_that_would_do():
    with pytest.raises(UserError, match=r"--hours 0.01: .* take about .*Give at least --hours 0.0"):
        fitted(0.01, 0.01, 1000)


def test_sizes_far_too_large_are_not_timed():
    _, measured = fitted(0.1, 0.1, 1000)
    assert measured == [224, 64]


def test_a_pretrained_network_gets_larger_images_before_more_trials():
    plain, _ = fitted(0.1, 0.01, 1000)
    pretrained, _ = fitted(0.1, 0.01, 1000, pretrained=True)
    assert pretrained.side > plain.side
    assert (pretrained.trials, pretrained.refits) == (1, 1)
    assert pretrained.epochs >= 4
