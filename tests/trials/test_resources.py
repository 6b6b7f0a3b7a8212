"""What a trial works on is there and whole, or the message says what to do."""

import pytest

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import MANIFEST, PIXELS
from pipeline.trials.resources import find_resources


def test_data_that_is_not_prepared_is_said_to_be(project):
    (project.folder / "data" / "prepared" / "digits" / MANIFEST).unlink()
    with pytest.raises(
        UserError, match=r"dataset digits is not prepared.*dvc repro prepare@digits"
    ):
        find_resources(project.compose())


@pytest.mark.parametrize("name", [MANIFEST, PIXELS])
def test_damaged_data_is_named(project, name):
    path = project.folder / "data" / "prepared" / "digits" / name
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"{name}.*dvc repro -f prepare@digits"):
        find_resources(project.compose())


def test_bf16_that_is_only_imitated_is_a_doubt(project, monkeypatch):
    cfg = project.compose("machine.precision=bf16")
    monkeypatch.setattr(
        "pipeline.trials.resources.resolve_precision",
        lambda precision, _device: "float32" if precision == "auto" else precision,
    )
    [doubt] = find_resources(cfg).doubts(cfg)
    assert doubt.startswith("machine.precision: found bf16")


def test_an_accelerator_that_torch_cannot_use_is_a_doubt(project, monkeypatch):
    monkeypatch.setattr("pipeline.trials.resources.capability", lambda: (9, 0))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    cfg = project.compose("machine.device=auto")
    [doubt] = find_resources(cfg).doubts(cfg)
    assert doubt.startswith("machine.device: this machine has an accelerator")
    cfg = project.compose("machine.device=cpu")
    assert find_resources(cfg).doubts(cfg) == []


def test_a_training_that_ends_within_its_warm_up_is_a_doubt(project):
    length = ("recipe.epochs=null", "recipe.steps=9")  # three epochs of 60 images in batches of 16
    doubted = project.compose(*length, "recipe.warmup_epochs=3.5")
    [doubt] = find_resources(doubted).doubts(doubted)
    assert doubt.startswith(
        "recipe.warmup_epochs: found 3.5, more than recipe.steps=9 (3.0 epochs)"
    )
    cfg = project.compose(*length, "recipe.warmup_epochs=2")
    assert find_resources(cfg).doubts(cfg) == []
