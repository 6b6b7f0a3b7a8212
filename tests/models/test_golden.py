"""The same numbers as PaddlePaddle 3.3.1 running PaddleClas's own ResNet50_vd."""

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from pipeline.models.backbones import build
from pipeline.settings.point import Point
from pipeline.settings.schema import ModelConfig, RecipeConfig
from pipeline.training.classifier import Classifier
from pipeline.training.data import Batch
from pipeline.training.devices import deterministic
from pipeline.training.schedule import Schedule

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)
LOGITS = {"cpu": 1e-5, "cuda": 1e-4}
"""Error that rounding may cause; another order of sums on a card causes more, TF32 about 1e-3."""


def error(found: torch.Tensor, expected: list) -> float:
    """Relative, by Frobenius norm."""
    reference = torch.tensor(expected)
    return float((found - reference).norm() / reference.norm())


@pytest.mark.parametrize("size", [224, 65])
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_logits(golden, golden_file, resnet50_vd, size, device):
    images = np.random.default_rng(7).normal(0, 1, (2, 3, size, size)).astype("float32")
    network = build(resnet50_vd, 1000, weights=golden_file, seed=0).eval().to(device)
    with torch.inference_mode(), deterministic("float32"):
        logits = network(torch.from_numpy(images).to(device)).cpu()
    assert error(logits, golden.network["logits_eval"][str(size)]) < LOGITS[device]


class OneBatch:
    """A loader that gives one batch an epoch, made anew each time."""

    def __init__(self, make) -> None:
        self.make = make
        self.epoch = 0

    def __len__(self) -> int:
        return 1

    def __iter__(self):
        self.epoch += 1
        yield self.make(self.epoch - 1)


def step_batch(step: int, mixup: bool) -> Batch:
    """The golden draws of one step, as float images [N, H, W, 3]."""
    draw = np.random.default_rng([11, step])
    images = draw.normal(0, 1, (8, 3, 64, 64)).astype("float32")
    labels, partners = draw.integers(0, 10, 8), draw.permutation(8)
    return Batch(
        images=torch.from_numpy(images).permute(0, 2, 3, 1),
        labels=torch.from_numpy(labels),
        partners=torch.from_numpy(partners) if mixup else None,
        lam=0.3 if mixup else 1.0,
    )


def evaluation_batch(_epoch: int) -> Batch:
    images = np.random.default_rng(7).normal(0, 1, (2, 3, 64, 64)).astype("float32")
    pixels = torch.from_numpy(images).permute(0, 2, 3, 1)
    return Batch(images=pixels, labels=torch.tensor([0, 1]), partners=None, lam=1.0)


@pytest.fixture(scope="module")
def start_file(golden, tmp_path_factory):
    path = tmp_path_factory.mktemp("golden") / "start.pdparams"
    return golden.write(path, golden.training_arrays())


@pytest.mark.parametrize(
    ("case", "smoothing", "mixup"),
    [
        ("plain", False, False),
        ("smooth", True, False),
        ("mixup", False, True),
        ("mixup_smooth", True, True),
    ],
)
@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_six_training_steps(golden, start_file, tmp_path, case, smoothing, mixup, device):
    """The classifier, its optimiser and its losses follow Paddle's, step by step, without TF32."""
    expected = golden.training[case]
    model = ModelConfig(
        name="golden",
        title="",
        arch="resnet50_vd",
        weights="none",
        mean=[0.0, 0.0, 0.0],
        std=[1 / 255, 1 / 255, 1 / 255],  # the golden images are normalised already
    )
    network = build(model, 10, weights=start_file, seed=0)
    recipe = RecipeConfig(name="golden", epochs=6, batch_size=8)
    point = Point(lr=0.003 * 256 / 8, l2_decay=1e-2, label_smoothing=smoothing, mixup=mixup)
    module = Classifier(network, model, recipe, point, Schedule(8, recipe))
    trainer = pl.Trainer(
        max_epochs=6,
        accelerator=device,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    batches = OneBatch(lambda step: step_batch(step, mixup))
    with deterministic("float32"):
        trainer.fit(module, batches, OneBatch(evaluation_batch))
        trainer.test(module, OneBatch(evaluation_batch), verbose=False)

    losses = [row["train_loss"] for row in module.curve]
    assert len(losses) == 6
    for loss, reference in zip(losses, expected["losses"], strict=True):
        assert math.isclose(loss, reference, abs_tol=1e-3 * expected["losses"][0])
    # Paddle keeps the biased batch variance, torch the unbiased one: 1.5 % on batches this small.
    assert module.logits is not None
    assert error(module.logits, expected["eval_logits"]) < 3e-2
    bias = network.get_parameter("fc.bias").detach().cpu()
    assert error(bias, expected["fc_bias"]) < 1e-2
