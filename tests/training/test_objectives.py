import math

import pytest

from pipeline.training.objectives import objective_of

METRICS = {"top1": 0.75, "mean_class": 0.5, "loss": 0.25, "top5": 1.0}


@pytest.mark.parametrize(
    ("name", "value"), [("top1", 0.75), ("mean_class", 0.5), ("loss", math.exp(-0.25))]
)
def test_an_objective_is_an_accuracy_or_the_likelihood(name, value):
    assert objective_of(name, METRICS) == value


def test_a_smaller_loss_is_a_larger_objective_and_none_leaves_the_range():
    values = [objective_of("loss", {"loss": loss}) for loss in (1e6, 10.0, 1.0, 0.0)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, 1.0)
