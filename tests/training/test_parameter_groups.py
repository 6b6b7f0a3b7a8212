import pytest
import timm

from pipeline.base.errors import UserError
from pipeline.training.parameter_groups import parameter_groups

FACTORS = [0.1, 0.2, 0.3, 0.4, 0.5]


def test_without_factors_every_parameter_learns_alike():
    network = timm.create_model("test_resnet")
    (group,) = parameter_groups(network, None)
    assert group["lr_factor"] == 1.0
    assert len(group["params"]) == len(list(network.parameters()))


def test_the_stem_the_stages_and_the_head_learn_at_their_own_rates():
    network = timm.create_model("test_resnet")
    groups = parameter_groups(network, FACTORS)
    rate = {id(p): group["lr_factor"] for group in groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        start = name.split(".")[0]
        expected = {"conv1": 0.1, "bn1": 0.1, "fc": 1.0}
        expected |= {f"layer{stage}": FACTORS[stage] for stage in range(1, 5)}
        assert rate[id(parameter)] == expected[start], name
    together = [id(p) for group in groups for p in group["params"]]
    assert sorted(together) == sorted(id(p) for p in network.parameters())


def test_a_network_without_such_stages_is_refused():
    with pytest.raises(UserError, match=r"recipe\.stage_lr needs a network with a stem"):
        parameter_groups(timm.create_model("efficientnet_lite0"), FACTORS)
