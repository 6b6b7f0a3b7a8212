"""Classify images with the model.onnx beside this file.

Needs Python 3.11 or newer and three packages:
  pip install onnxruntime numpy Pillow
  python example.py photo.jpg another.png
As a module:
  from example import Classifier
  name, probability = Classifier("model.onnx").classify("photo.jpg")[0]
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


class Classifier:
    """Prepares an image as the model's test images were prepared, and names its classes."""

    def __init__(self, model: str | Path) -> None:
        self.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        facts = self.session.get_modelmeta().custom_metadata_map
        self.facts = {name: json.loads(value) for name, value in facts.items()}

    def classify(self, path: str | Path) -> list[tuple[str, float]]:
        """Return (class, probability) of an image file, the most likely class first."""
        pixels = self.prepare(path).transpose(2, 0, 1)[None].astype(np.float32)
        shares = self.session.run(["probabilities"], {"images": pixels})[0][0]
        order = np.argsort(-shares, kind="stable")
        return [(self.facts["classes"][label], float(shares[label])) for label in order]

    def prepare(self, path: str | Path) -> np.ndarray:
        """Decode, resize and crop an image file to uint8 [image_size, image_size, 3]."""
        how, short, side = (
            self.facts["decoding"],
            self.facts["resize_size"],
            self.facts["image_size"],
        )
        with Image.open(path) as opened:
            if opened.mode.startswith(("I", "F")):
                raise ValueError(f"{path}: more than 8 bits per channel")
            size = stored_size(opened.size, how["side"])
            if opened.format in ("JPEG", "MPO") and how["scaled"] and not how["crop_bottom"]:
                opened.draft(None, size)  # decode a large file at a half, a quarter or an eighth
            image = on_white(ImageOps.exif_transpose(opened))
        if how["crop_bottom"]:
            image = image.crop((0, 0, image.width, max(1, image.height - how["crop_bottom"])))
            size = stored_size(image.size, how["side"])
        elif (image.width > image.height) != (size[0] > size[1]):
            size = size[::-1]  # the camera was turned
        image = resized(image, size)
        if min(image.size) != short:
            factor = short / min(image.size)
            size = round(image.width * factor), round(image.height * factor)
            if self.facts["resize"] == "opencv":
                image = Image.fromarray(resized_like_opencv(np.asarray(image), size))
            else:
                image = resized(image, size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return np.asarray(image.crop((left, top, left + side, top + side)))


def stored_size(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """Return (width, height) with a short side of at most ``side``."""
    width, height = size
    short = min(size)
    if side is None or short <= side:
        return size
    return round(width * side / short), round(height * side / short)


def on_white(image: Image.Image) -> Image.Image:
    """Convert to RGB, with white behind transparent parts."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


def resized_like_opencv(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 [H, W, 3] without antialiasing, in whole numbers as cv2.resize does."""
    left, right, across = neighbours(image.shape[1], size[0])
    above, below, down = neighbours(image.shape[0], size[1])
    across, down = across[None, :, None], down[:, None, None]
    wide = image.astype(np.int32)
    wide = (wide[:, left] * (2048 - across) + wide[:, right] * across) >> 4
    quarters = (wide[above] * (2048 - down) >> 16) + (wide[below] * down >> 16)
    return ((quarters + 2) >> 2).astype(np.uint8)


def neighbours(source: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two source pixels of each target pixel, and the second one's weight of 2048."""
    scale = 1 / (target / source)
    position = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    place = np.floor(position)
    weight = np.rint((position - place) * np.float32(2048)).astype(np.int32)
    first = place.astype(np.int64)
    return np.clip(first, 0, source - 1), np.clip(first + 1, 0, source - 1), weight


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Usage: python example.py IMAGE ...")
    classifier = Classifier(Path(__file__).with_name("model.onnx"))
    for name in sys.argv[1:]:
        label, probability = classifier.classify(name)[0]
        print(f"{name!a}: {label!a} {probability:.4f}")
