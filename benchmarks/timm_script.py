"""Fine-tune a timm model on a folder of images, as most people would write it.

    python benchmarks/timm_script.py IMAGES --checkpoint FILE --minutes 5 --predictions test.csv

IMAGES has train/, val/ and test/, each with a folder per class. The transforms are timm's own for
the model, and the optimiser is PyTorch's AdamW with its defaults. The learning rate falls along a
cosine over the given minutes. The weights of the best epoch on val predict test; the minutes do not
include this. Nothing of this project is used.
"""

import argparse
import copy
import csv
import math
import time
from pathlib import Path

import timm
import torch
from timm.data import create_transform, resolve_data_config
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder


def predicted(network: nn.Module, loader: DataLoader) -> list[int]:
    network.eval()
    with torch.inference_mode():
        return [int(label) for images, _ in loader for label in network(images).argmax(1)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--predictions", type=Path, required=True)
    arguments = parser.parse_args()
    start, seconds = time.monotonic(), 60 * arguments.minutes

    network = timm.create_model(arguments.model, num_classes=1000)
    network.load_state_dict(torch.load(arguments.checkpoint, weights_only=True))
    config = resolve_data_config({}, model=network)
    training, plain = create_transform(**config, is_training=True), create_transform(**config)
    train = ImageFolder(arguments.images / "train", training)
    val, test = (ImageFolder(arguments.images / name, plain) for name in ("val", "test"))
    network.reset_classifier(len(train.classes))
    loader = DataLoader(train, arguments.batch, shuffle=True, drop_last=True)
    val_loader, test_loader = (DataLoader(each, arguments.batch) for each in (val, test))

    optimizer = torch.optim.AdamW(network.parameters())
    rate = optimizer.param_groups[0]["lr"]
    best, best_state = -1.0, network.state_dict()
    while time.monotonic() - start < seconds:
        network.train()
        for images, labels in loader:
            share = min(1.0, (time.monotonic() - start) / seconds)
            if share == 1.0:
                break
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + math.cos(math.pi * share)) / 2
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
        pairs = zip(predicted(network, val_loader), val.targets, strict=True)
        accuracy = sum(label == target for label, target in pairs) / len(val)
        print(f"{time.monotonic() - start:5.0f} s: val {100 * accuracy:.2f} %", flush=True)
        if accuracy > best:
            best, best_state = accuracy, copy.deepcopy(network.state_dict())
    network.load_state_dict(best_state)
    with arguments.predictions.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "class"])
        for (path, _), label in zip(test.samples, predicted(network, test_loader), strict=True):
            writer.writerow([path, train.classes[label]])


if __name__ == "__main__":
    main()
