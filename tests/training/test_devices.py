"""What a trial computes on: precision, deterministic kernels, and where its memory goes."""

import pytest
import torch

from pipeline.base.errors import UserError
from pipeline.settings.schema import MachineConfig, RecipeConfig
from pipeline.training import devices
from pipeline.training.devices import as_delivered, deterministic, memory_explained, resolved

RECIPE = RecipeConfig(name="r", epochs=1, batch_size=32, micro_batch=8)


def switches():
    return (
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.is_autocast_enabled("cpu"),
    )


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16", "fp16"])
def test_a_trial_is_deterministic_and_rounds_to_tf32_by_name_only(precision):
    before, tf32 = switches(), precision == "tf32"
    with deterministic(precision):
        assert switches() == (tf32, tf32, True, False, False)
    assert switches() == before


def test_a_delivered_model_is_computed_in_float32():
    with deterministic("tf32"), torch.autocast("cpu", torch.bfloat16), as_delivered("cpu"):
        assert switches() == (False, False, True, False, False)


@pytest.mark.parametrize(("device", "near"), [("cpu", "host"), ("cuda", "device")])
def test_crops_are_cut_where_that_is_faster(monkeypatch, device, near):
    monkeypatch.setattr(devices, "resolve_device", lambda _: device)
    monkeypatch.setattr(devices, "resolve_precision", lambda *_: "float32")
    assert resolved(MachineConfig()).data == near
    assert resolved(MachineConfig(data="host")).data == "host"


def test_a_micro_batch_that_is_still_too_large_is_named():
    message = r"8 images of 224 px .* \(found 8\) to a divisor of batch_size below 8"
    with pytest.raises(UserError, match=message), memory_explained(RECIPE, "cpu"):
        raise torch.OutOfMemoryError


def test_another_error_is_not_said_to_be_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(RECIPE, "cpu"):
        raise RuntimeError("shapes differ")
