import logging
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipeline.base.errors import UserError
from pipeline.models.backbones import build
from pipeline.models.weights import load, locate
from pipeline.settings.schema import ModelConfig

CONF = Path(__file__).parents[2] / "conf" / "model"


def small() -> ModelConfig:
    return ModelConfig(name="small", title="", arch="resnet18", weights="none")


def assert_same_network(one: torch.nn.Module, two: torch.nn.Module) -> None:
    first, second = one.state_dict(), two.state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_random_start_follows_from_the_seed_alone():
    one = build(small(), 7, weights=None, seed=3)
    build(small(), 7, weights=None, seed=4)
    torch.manual_seed(12345)
    again = build(small(), 7, weights=None, seed=3)
    assert_same_network(one, again)
    other = build(small(), 7, weights=None, seed=4)
    assert not torch.equal(one.state_dict()["conv1.weight"], other.state_dict()["conv1.weight"])
    assert not torch.equal(one.state_dict()["fc.weight"], other.state_dict()["fc.weight"])


def test_global_generators_stay_as_they_were():
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(1)
    np.random.seed(1)
    build(small(), 5, weights=None, seed=99)
    np.testing.assert_array_equal(torch.rand(3), expected[0])
    np.testing.assert_array_equal(np.random.rand(3), expected[1])


def test_head_is_paddles():
    head = build(small(), 11, weights=None, seed=0).get_submodule("fc")
    assert isinstance(head, torch.nn.Linear)
    assert head.weight.shape == (11, 512)
    assert not head.bias.any()
    bound = 512**-0.5
    weight = head.weight.detach()
    assert 0.9 * bound < weight.abs().max() <= bound
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.05)  # uniform


def test_networks_are_independent(golden_file, resnet50_vd):
    one = build(resnet50_vd, 10, weights=golden_file, seed=0)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.zero_()
    two = build(resnet50_vd, 10, weights=golden_file, seed=0)
    assert two.state_dict()["layer4.2.conv3.weight"].any()


def test_pretrained_head_of_another_size_is_replaced(golden_file, resnet50_vd, caplog):
    with caplog.at_level(logging.INFO, "pipeline.models"):
        one = build(resnet50_vd, 6, weights=golden_file, seed=0)
    assert len(caplog.records) == 1
    line = caplog.records[0].getMessage()
    assert "277 tensors" in line
    assert "head replaced by a new one of 6 classes" in line
    two = build(resnet50_vd, 6, weights=golden_file, seed=1)
    assert not torch.equal(one.state_dict()["fc.weight"], two.state_dict()["fc.weight"])
    assert not one.state_dict()["fc.bias"].any()
    state = load(golden_file).state
    for network in (one, two):
        found = network.state_dict()
        assert all(torch.equal(found[n], t) for n, t in state.items() if not n.startswith("fc."))


def test_pretrained_head_of_the_same_size_stays(golden_file, resnet50_vd):
    network = build(resnet50_vd, 1000, weights=golden_file, seed=0)
    assert torch.equal(network.state_dict()["fc.bias"], load(golden_file).state["fc.bias"])


def test_headless_weights_get_a_fresh_head(golden, resnet50_vd, tmp_path, caplog):
    arrays = golden.light()
    del arrays["fc.weight"], arrays["fc.bias"]
    path = golden.write(tmp_path / "10w.pdparams", arrays)
    with caplog.at_level(logging.INFO, "pipeline.models"):
        network = build(resnet50_vd, 1000, weights=path, seed=0)
    assert "no head in this file" in caplog.text
    assert "new head of 1000 classes" in caplog.text
    assert not network.state_dict()["fc.bias"].any()


def test_a_replaced_file_is_read_again(golden, resnet50_vd, tmp_path):
    path = golden.write(tmp_path / "w.pdparams", golden.light())
    build(resnet50_vd, 5, weights=path, seed=0)
    path.write_bytes(b"\x80\x02}.")
    with pytest.raises(UserError, match="holds no array"):
        build(resnet50_vd, 5, weights=path, seed=0)
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        build(resnet50_vd, 5, weights=path, seed=0)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_model_of_the_configuration_builds(path):
    config = ModelConfig(**yaml.safe_load(path.read_text()))
    assert config.name == path.stem
    assert path.read_text().startswith("# ")
    network = build(config, 3, weights=None, seed=0).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_efficientnet_lite0_of_the_package_knows_imagenet(tmp_path):
    """Its 1,000 logits on a fixed input are those of the package's companion network code."""
    config = ModelConfig(**yaml.safe_load((CONF / "efficientnet_lite0.yaml").read_text()))
    distribution = config.weights.removeprefix("package:")
    try:
        files(distribution)
    except PackageNotFoundError:
        pytest.skip(f"needs the package {distribution}")
    found = locate(config, tmp_path)
    assert found is not None
    loaded = load(found.path, config.arch)
    assert (loaded.layout, loaded.head) == ("EfficientNet-PyTorch", 1000)
    network = build(config, 1000, weights=found.path, seed=0).eval()
    ramp = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with torch.inference_mode():
        logits = network(ramp)[0]
    # efficientnet-lite-pytorch 0.1.0 gives these for the same file and input.
    expected = [0.266001, 0.590583, 1.719746, 1.383951, 1.840031, 1.910193]
    torch.testing.assert_close(logits[:6], torch.tensor(expected), rtol=0, atol=1e-4)
    assert float(logits.norm()) == pytest.approx(30.468155, abs=1e-4)
