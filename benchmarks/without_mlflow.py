"""Make trials, images and a stock script for benchmarks on machines without MLflow and Hydra."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytorch_lightning as pl
import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import transforms

from pipeline.datasets.manifest import PIXELS, SCHEMA, Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.models.backbones import build
from pipeline.settings.schema import Config

CLASSES = 102


def configuration(size: int, batch: int, epochs: int, arch: str = "resnet50d") -> Config:
    """Return the configuration of a trial from a random start; resnet50d is ResNet50_vd."""
    point = {"lr": 0.01, "l2_decay": 1e-4, "label_smoothing": True, "mixup": True}
    return Config.model_validate(
        {
            **point,
            "project": "accelerator",
            "root": ".",
            "title": "Accelerator",
            "dataset": {"name": "noise", "title": "Noise", "reader": "digits"},
            "model": {"name": "r", "title": arch, "arch": arch, "weights": "none"},
            "recipe": {"name": "r", "epochs": epochs, "batch_size": batch, "image_size": size},
            "protocol": {"name": "heldout"},
            "strategy": {"name": "fixed"},
            "datasets": ["noise"],
            "models": ["r"],
            "strategies": ["fixed"],
            "space": {name: [value] for name, value in point.items()},
            "seed": 7,
        }
    )


def noise(folder: Path, train: int, val: int, short_side: int) -> tuple[Manifest, PixelStore]:
    """Write random 4:3 images; return their manifest and pixel store."""
    height, width = short_side, round(short_side * 4 / 3)
    rng, count = np.random.default_rng(0), train + val
    with (folder / PIXELS).open("wb") as file:
        for _ in range(count):
            file.write(rng.integers(0, 256, height * width * 3, np.uint8).tobytes())
    columns = {
        "path": [f"{n:06}.jpg" for n in range(count)],
        "label": [n % CLASSES for n in range(count)],
        "class_name": [f"class {n % CLASSES}" for n in range(count)],
        "split": ["train"] * train + ["val"] * val,
        "sha256": [""] * count,
        "offset": [n * height * width * 3 for n in range(count)],
        "height": [height] * count,
        "width": [width] * count,
    }
    table = pa.table(columns, schema=SCHEMA)
    manifest = Manifest.of(table, [f"class {n}" for n in range(CLASSES)], f"noise {count}")
    return manifest, PixelStore(folder / PIXELS, manifest)


class Stock(pl.LightningModule):
    """A module like that of Lightning's introduction."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: Any, _index: int) -> torch.Tensor:
        return cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)


def crops(size: int) -> transforms.Compose:
    """Return the usual random crops of torchvision, in pixels, flipped and normalised."""
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )


class Images(torch.utils.data.Dataset[Any]):
    """Serve stored images as torchvision's transforms crop them."""

    def __init__(self, manifest: Manifest, store: PixelStore, size: int) -> None:
        self.labels, self.store = manifest.labels, store
        self.cut = crops(size)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Any:
        return self.cut(Image.fromarray(self.store.image(row))), int(self.labels[row])


def train_stock(
    cfg: Config, manifest: Manifest, store: PixelStore, device: str, steps: int
) -> None:
    """Train ``steps`` steps with a plain Lightning script in float32."""
    images = Images(manifest, store, cfg.recipe.image_size)
    network = build(cfg.model, CLASSES, weights=None, seed=0)
    pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        max_epochs=1,
        limit_train_batches=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Stock(network), DataLoader(images, batch_size=cfg.recipe.batch_size, shuffle=True))
