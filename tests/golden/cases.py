"""The golden trials: tiny trials that together use every option that changes a trial's numbers."""

import copy
from typing import Any

Case = dict[str, Any]
"""A trial as plain data. What decides it is stated by value once :func:`resolved` has filled it."""

_TRIAL: Case = {
    "images": "small",
    "purpose": "search",
    "protocol": "heldout",
    "objective": "top1",
    "precision": "float32",
    "seed": 3,
    "point": {"lr": 0.1, "l2_decay": 0.01, "label_smoothing": False, "mixup": False},
    "model": {"arch": "test_resnet"},
    "weights": None,
    "recipe": {"epochs": 2, "batch_size": 8, "image_size": 64, "resize_size": 68},
    "interrupted": None,
}
"""Two steps an epoch: ``small`` has 21 training images of 72 px and more in 7 classes.

``uneven`` has as many in 4 of the 7 classes, of different size.
"""

_STATED: dict[str, Case] = {
    "plain": {},
    "another seed": {"seed": 0},
    "cosine per epoch, warm-up": {"recipe": {"schedule": "cosine_per_epoch", "warmup_epochs": 0.5}},
    "warm-up, cosine": {"recipe": {"warmup_epochs": 1.5}},
    "steps": {"recipe": {"epochs": None, "steps": 3}},
    "partial batch": {"recipe": {"batch_size": 32}},
    "micro-batches, a lone image": {"recipe": {"batch_size": 32, "micro_batch": 4}},
    "label smoothing": {"point": {"label_smoothing": True}, "recipe": {"smoothing_epsilon": 0.2}},
    "mixup": {"point": {"mixup": True}, "recipe": {"mixup_alpha": 0.4}},
    "mixup, label smoothing, micro-batches": {
        "point": {"mixup": True, "label_smoothing": True},
        "recipe": {"micro_batch": 4},
    },
    "crops as Paddle's": {"recipe": {"crop_sampling": "paddle"}},
    "crops that rarely fit": {"recipe": {"crop_scale": [0.95, 1.0]}},
    "resized as OpenCV does": {"recipe": {"resize": "opencv"}},
    "no flip, no resize": {"recipe": {"horizontal_flip": False, "resize_size": 72}},
    "larger images": {"recipe": {"image_size": 80, "resize_size": 88}},
    "momentum": {"recipe": {"momentum": 0.5}},
    "nesterov": {"recipe": {"nesterov": True}},
    "decay over learning rate": {"recipe": {"decay_over_lr": True}},
    "rates by stage": {"recipe": {"stage_lr": [0.1, 0.2, 0.4, 0.6, 0.8]}},
    "batch norm's momentum": {"recipe": {"bn_momentum": 0.3}},
    "batch norm's momentum by Kornblith": {
        "images": "many",
        "recipe": {"bn_momentum": "kornblith", "epochs": None, "steps": 4, "batch_size": 2},
    },
    "mean and deviation": {"model": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}},
    "half precision": {"precision": "bf16"},
    "selected on the test list": {  # the best epoch is neither the first nor the last
        "protocol": "paddle",
        "seed": 6,
        "recipe": {"batch_size": 16, "epochs": 3},
    },
    "selected on the test list by the loss": {  # which is least at another epoch
        "protocol": "paddle",
        "objective": "loss",
        "seed": 6,
        "recipe": {"batch_size": 16, "epochs": 3},
    },
    "weights of classes, mixup, label smoothing": {
        "images": "uneven",
        "point": {"mixup": True, "label_smoothing": True},
        "recipe": {"class_balance": "weights", "micro_batch": 4},
    },
    "weights of classes": {"images": "uneven", "recipe": {"class_balance": "weights"}},
    "classes drawn equally often": {
        "images": "uneven",
        "recipe": {"class_balance": "sampling"},
    },
    "a share of the images": {"images": "uneven", "recipe": {"train_share": 0.6}},
    "mean accuracy per class": {"images": "uneven", "objective": "mean_class"},
    "final": {"purpose": "final", "recipe": {"batch_size": 16}},
    "diverged": {"point": {"lr": 1e30}},
    "final, diverged": {"purpose": "final", "point": {"lr": 1e30}},
    "another network": {"model": {"arch": "test_efficientnet"}},
    "resumed after an epoch": {"interrupted": "epoch"},
    "resumed within an epoch, mixup": {"interrupted": "step", "point": {"mixup": True}},
    "pretrained, its own head": {
        "weights": "test_resnet with 7 classes",
        "point": {"lr": 0.01},
    },
    "pretrained, a fresh head": {
        "weights": "test_resnet with 9 classes",
        "point": {"lr": 0.01},
    },
    "pretrained, without a head": {
        "weights": "test_resnet without a head",
        "point": {"lr": 0.01},
    },
    "simulated": {"images": "small", "simulated": [["finished", 0.5, 1.5]]},
    "simulated, diverged": {"images": "small", "simulated": [["diverged", 0.0, ""]]},
}
"""What each trial states over ``_TRIAL``."""

LAYOUTS = (
    "Paddle 2.2, .pdparams",
    "Paddle 2.0, .pdparams",
    "RT-DETR, .pth",
    "EfficientNet-PyTorch, .safetensors",
)
"""Published weights whose start is recorded too; training such networks would take too long."""


def resolved() -> dict[str, Case]:
    """Return the golden trials by name, with today's defaults of models and recipes filled in."""
    from tests.golden.trials import model_of, recipe_of

    cases = {}
    for name, stated in _STATED.items():
        case = copy.deepcopy(_TRIAL)
        for key, value in stated.items():
            case[key] = case[key] | value if isinstance(value, dict) else value
        case["recipe"] = recipe_of(case["recipe"]).model_dump(exclude={"name"})
        model = model_of(case["model"]).model_dump(include={"arch", "mean", "std"})
        cases[name] = case | {"model": model}
    return cases
