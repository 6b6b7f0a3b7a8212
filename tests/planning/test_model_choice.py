"""MODEL=auto: the network follows from accelerator, network connection and image size."""

import pytest

from pipeline.base.errors import UserError
from pipeline.planning.model_choice import choose, sides


def refuse(model):
    raise UserError(f"no way to the weights of {model}")


@pytest.mark.parametrize(
    ("side", "accelerator", "weights", "model", "reason"),
    [
        (500, True, lambda _: None, "resnet50_vd", "there is an accelerator here"),
        (500, True, refuse, "efficientnet_lite0", "cannot be fetched"),
        (8, True, refuse, "efficientnet_lite0", "cannot be fetched"),
        (500, False, refuse, "efficientnet_lite0", "no accelerator"),
        (8, False, refuse, "resnet10t_random", "images of 8 px"),
    ],
)
def test_a_network_that_this_machine_can_train(side, accelerator, weights, model, reason):
    choice = choose(side, accelerator=accelerator, require_weights=weights)
    assert choice.model == model
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("model", "short_side", "expected"),
    [
        ("resnet50_vd", 500, [224, 192, 160, 128, 96, 64]),
        ("efficientnet_lite0", 100, [128, 96, 64]),
        ("efficientnet_lite0", 8, [64]),
        ("resnet10t_random", 8, [32]),
        ("resnet10t_random", 64, [64, 48, 32]),
    ],
)
def test_images_are_enlarged_by_one_step_at_most(model, short_side, expected):
    assert sides(model, short_side) == expected
