"""A small packaged model with random weights, and pictures to classify with it."""

from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file

from pipeline.datasets.decoding import Decoding
from pipeline.deployment import network
from pipeline.deployment.description import Description
from pipeline.deployment.onnx_export import Measured
from pipeline.deployment.onnx_session import as_input
from tests.support.miniatures import picture

CLASSES = ["ant", "bee", "naïve, fly"]


def description(**changes: object) -> Description:
    values = {
        "format": 2,
        "arch": "test_resnet",
        "classes": CLASSES,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "decoding": Decoding(side=48, scaled=True, max_pixels=10**8, crop_bottom=0),
        "resize": "antialias",
        "resize_size": 40,
        "image_size": 32,
        "temperature": 1.5,
        "dataset": "insects",
        "title": "Insects",
        "point": {"lr": 0.1, "l2_decay": 0.0, "label_smoothing": False, "mixup": True},
        "data_digest": "d" * 64,
        "key": "k" * 64,
        "versions": {"torch": torch.__version__},
    }
    return Description.model_validate(values | changes)


def save_weights(path: Path, seed: int = 0, classes: int = len(CLASSES)) -> Path:
    """Random weights of ``test_resnet``, with running statistics that are not the identity."""
    torch.manual_seed(seed)
    network = timm.create_model("test_resnet", num_classes=classes)
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif tensor.ndim == 1 and name.endswith("weight"):  # timm starts some at zero
            tensor.uniform_(0.5, 1.5)
        elif name == "fc.weight":
            tensor.normal_()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    return path


def check_images(count: int = 4) -> np.ndarray:
    return np.stack([np.asarray(picture(n % 3, n, (32, 32))) for n in range(count)])


def measured(weights: Path) -> Measured:
    """Some images, and what PyTorch computes of them with these weights."""
    batches = [check_images(3), check_images(2)]
    with torch.inference_mode():
        opened = network.load(description(), weights)
        logits = [opened(torch.from_numpy(as_input(images)))[0].numpy() for images in batches]
    return Measured(batches, np.concatenate(logits))
