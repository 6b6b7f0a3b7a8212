"""Train ResNet50_vd in Paddle with the operators of PaddleClas, rebuilt from their definitions.

Runs in an environment with paddlepaddle and OpenCV, and imports nothing of this project. Reads
start.npz, images.npz and plan.json in a folder, which test_paddle.py writes, and prints a JSON list
with the curve of each run. Run: python paddle_training.py FOLDER
"""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)


class Unit(nn.Layer):
    """A convolution, batch norm and, unless ``relu`` is False, a ReLU; first a mean if ``pool``."""

    def __init__(self, given, width, side, stride=1, relu=True, pool=False) -> None:
        super().__init__()
        self.pool = nn.AvgPool2D(2, 2, padding="SAME", ceil_mode=True) if pool else None
        stride = 1 if pool else stride
        self.conv = nn.Conv2D(given, width, side, stride, side // 2, bias_attr=False)
        self.bn = nn.BatchNorm(width)
        self.relu = relu

    def forward(self, images):
        images = self.conv(images if self.pool is None else self.pool(images))
        if self.training:
            self.values = images.size // images.shape[1]
        images = self.bn(images)
        return functional.relu(images) if self.relu else images


class Bottleneck(nn.Layer):
    def __init__(self, given, width, stride, first, short) -> None:
        super().__init__()
        self.conv0 = Unit(given, width, 1)
        self.conv1 = Unit(width, width, 3, stride)
        self.conv2 = Unit(width, 4 * width, 1, relu=False)
        self.short = Unit(given, 4 * width, 1, relu=False, pool=not first) if short else None

    def forward(self, images):
        short = images if self.short is None else self.short(images)
        return functional.relu(self.conv2(self.conv1(self.conv0(images))) + short)


class ResNet50vd(nn.Layer):
    def __init__(self, classes) -> None:
        super().__init__()
        self.stem = nn.Sequential(Unit(3, 32, 3, 2), Unit(32, 32, 3), Unit(32, 64, 3))
        blocks, given = [], 64
        for stage, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
            for number in range(count):
                stride = 2 if stage and not number else 1
                blocks.append(Bottleneck(given, width, stride, not stage, not number))
                given = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(given, classes)

    def forward(self, images):
        images = functional.max_pool2d(self.stem(images), 3, 2, 1)
        return self.fc(self.blocks(images).mean([2, 3]))


def normalised(images, plan) -> np.ndarray:
    """Scale, subtract the mean, divide by the deviation, and put the channels first."""
    mean, std = (np.array(plan[name], np.float32) for name in ("mean", "std"))
    pixels = (np.stack(images).astype("float32") * np.float32(1 / 255) - mean) / std
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def training_crop(image, draw, side) -> np.ndarray:
    """Cut a box, resize it to a square without antialiasing, and flip it if the draw says so."""
    left, top, right, bottom = draw["box"]
    cut = cv2.resize(image[top:bottom, left:right], (side, side))
    return cv2.flip(cut, 1) if draw["flip"] else cut


def evaluation_crop(image, short_side, side) -> np.ndarray:
    """Resize the short side, then cut the centre."""
    height, width = image.shape[:2]
    factor = short_side / min(height, width)
    image = cv2.resize(image, (round(width * factor), round(height * factor)))
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def soft_labels(labels, classes, epsilon) -> paddle.Tensor:
    one_hot = functional.one_hot(paddle.to_tensor(labels), classes)
    return functional.label_smooth(one_hot, epsilon=epsilon) if epsilon else one_hot


def loss_of(logits, labels, plan) -> paddle.Tensor:
    targets = soft_labels(labels, plan["classes"], plan["smoothing"])
    return functional.cross_entropy(logits, targets, soft_label=True)


def curve_from(start, images, plan) -> list[dict[str, float]]:
    """Train from ``start``; return the mean loss and the validation losses of each epoch."""
    network = ResNet50vd(plan["classes"])
    network.set_state_dict({name: paddle.to_tensor(array) for name, array in start.items()})
    optimizer = paddle.optimizer.Momentum(
        learning_rate=plan["lr"],
        momentum=plan["momentum"],
        parameters=network.parameters(),
        weight_decay=paddle.regularizer.L2Decay(plan["l2_decay"]),
    )
    curve: list[dict[str, float]] = []
    cut = [evaluation_crop(images[row], plan["resize_size"], plan["side"]) for row in plan["rows"]]
    labels = np.array([plan["labels"][row] for row in plan["rows"]])
    measured = paddle.to_tensor(normalised(cut, plan)), paddle.to_tensor(labels)
    for epoch, steps in enumerate(plan["epochs"]):
        optimizer.set_lr(plan["lr"] * 0.5 * (math.cos(epoch * math.pi / len(plan["epochs"])) + 1))
        network.train()
        losses = [train_step(network, optimizer, step, images, plan) for step in steps]
        network.eval()
        row = {"train_loss": float(np.mean(losses)), "paddle_loss": measure(network, *measured)}
        with unbiased_variances(network, start, (epoch + 1) * len(steps)):
            row["loss"] = measure(network, *measured)
        curve.append(row)
    return curve


def measure(network, images, labels) -> float:
    with paddle.no_grad():
        return float(functional.cross_entropy(network(images), labels))


@contextmanager
def unbiased_variances(network, start, steps) -> Iterator[None]:
    """Evaluate with torch's running variances in the block.

    Both keep 0.9 of the old variance. Torch adds 0.1 of the batch's unbiased variance, Paddle 0.1
    of its plain variance, which is smaller by (n - 1) / n for n values.
    """
    kept = {}
    for name, unit in network.named_sublayers():
        if isinstance(unit, Unit):
            variance = unit.bn._variance
            kept[name] = (variance, variance.numpy())
            old = 0.9**steps * start[f"{name}.bn._variance"]
            new = (kept[name][1] - old) * unit.values / (unit.values - 1)
            variance.set_value((old + new).astype("float32"))
    yield
    for variance, values in kept.values():
        variance.set_value(values)


def train_step(network, optimizer, step, images, plan) -> float:
    cuts = [training_crop(images[draw["row"]], draw, plan["side"]) for draw in step["draws"]]
    pixels = normalised(cuts, plan)
    labels = np.array([plan["labels"][draw["row"]] for draw in step["draws"]])
    if step["partners"] is None:
        loss = loss_of(network(paddle.to_tensor(pixels)), labels, plan)
    else:
        lam, partners = step["lam"], np.array(step["partners"])
        pixels = (lam * pixels + (1 - lam) * pixels[partners]).astype("float32")
        logits = network(paddle.to_tensor(pixels))
        loss = lam * loss_of(logits, labels, plan)
        loss = loss + (1 - lam) * loss_of(logits, labels[partners], plan)
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    return float(loss)


def starts(arrays, runs) -> Iterator[dict[str, np.ndarray]]:
    """Yield the start, then starts in which each number is the next one up or down."""
    yield arrays
    for run in range(1, runs):
        rng = np.random.default_rng(run)
        yield {
            name: np.nextafter(
                array, np.where(rng.random(array.shape) < 0.5, -9e9, 9e9), dtype=array.dtype
            )
            for name, array in arrays.items()
        }


def main(folder: Path) -> None:
    paddle.set_device("cpu")
    plan = json.loads((folder / "plan.json").read_text())
    images = dict(np.load(folder / "images.npz").items())
    images = [images[str(row)] for row in range(len(images))]
    arrays = dict(np.load(folder / "start.npz").items())
    print(json.dumps([curve_from(start, images, plan) for start in starts(arrays, plan["runs"])]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
