"""The optimiser's arithmetic: what one step does to the weights."""

import pytest
import timm
import torch
from torch.nn.functional import cross_entropy

from pipeline.settings.point import Point
from pipeline.settings.schema import ModelConfig, RecipeConfig
from pipeline.training.classifier import Classifier
from pipeline.training.schedule import Schedule

MODEL = ModelConfig(name="m", title="m", arch="test_resnet", weights="none")


def classifier(lr=0.1, decay=1e-3, images=64, **recipe):
    recipe = RecipeConfig(name="r", epochs=2, batch_size=32, **recipe)
    network = timm.create_model("test_resnet", num_classes=10)
    point = Point(lr=lr, l2_decay=decay, label_smoothing=False, mixup=False)
    return Classifier(network, MODEL, recipe, point, Schedule(images, recipe))


def test_l2_decay_reaches_every_parameter():
    """Paddle regularises batch norm and biases too."""
    module = classifier()
    optimizer = module.configure_optimizers()
    assert {group["weight_decay"] for group in optimizer.param_groups} == {1e-3}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(
        list(module.network.parameters())
    )


def test_the_peak_rate_is_scaled_with_the_batch_and_momentum_is_the_recipes():
    (group,) = classifier(lr=0.8, momentum=0.5, nesterov=True).configure_optimizers().param_groups
    assert group["lr"] == pytest.approx(0.1)
    assert (group["momentum"], group["nesterov"], group["dampening"]) == (0.5, True, 0)


def test_a_first_step_that_loss_scaling_skips_leaves_no_momentum(monkeypatch):
    """Torch would leave whatever was in that memory; here that is NaN."""
    full_like = torch.full_like
    monkeypatch.setattr(torch, "empty_like", lambda tensor: full_like(tensor, float("nan")))
    module = classifier()
    optimizer = module.configure_optimizers()
    for parameter in module.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.grad_scale, optimizer.found_inf = torch.ones(()), torch.ones(())
    optimizer.step()
    assert not any(state["momentum_buffer"].any() for state in optimizer.state.values())


def test_kornbliths_decay_is_divided_by_the_rate():
    (group,) = classifier(lr=0.8, decay_over_lr=True).configure_optimizers().param_groups
    assert group["weight_decay"] == pytest.approx(1e-3 / 0.1)


def test_stages_learn_at_their_own_rates():
    module = classifier(stage_lr=[0.1, 0.1, 0.2, 0.2, 0.3])
    factors = [group["lr_factor"] for group in module.configure_optimizers().param_groups]
    assert factors == [0.1, 0.1, 0.2, 0.2, 0.3, 1.0]


def test_images_are_normalised_as_imagenets():
    module = classifier()
    images = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    mean, std = torch.tensor(MODEL.mean), torch.tensor(MODEL.std)
    expected = ((images / 255 - mean) / std).permute(0, 3, 1, 2)
    torch.testing.assert_close(module.normalise(images), expected, rtol=1e-5, atol=1e-5)


def test_batch_norm_follows_the_recipe():
    module = classifier(images=32_000, bn_momentum="kornblith")
    momenta = {m.momentum for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert momenta == {0.01}


def test_logits_are_the_networks_own():
    module = classifier().eval()
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits = module(images)
        torch.testing.assert_close(logits, module.network(module.normalise(images)))
    assert torch.isfinite(cross_entropy(logits, torch.zeros(4, dtype=torch.int64)))


def test_losses_of_a_resumed_epoch_follow_the_network_to_its_device():
    """Lightning loads a checkpoint while the network is still on the host."""
    stopped, resumed = classifier(), classifier()
    stopped._losses = [torch.tensor(1.0), torch.tensor(2.0)]
    checkpoint = {}
    stopped.on_save_checkpoint(checkpoint)
    resumed.on_load_checkpoint(checkpoint)
    resumed.to("meta").on_fit_start()
    assert [loss.device.type for loss in resumed._losses] == ["meta", "meta"]
