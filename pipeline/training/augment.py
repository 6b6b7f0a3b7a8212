"""Cut random crops for training and the centre crop for evaluation from stored uint8 images."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.training.bilinear import resample, taps

ASPECT = (3 / 4, 4 / 3)
TRIES = 10
"""torchvision's RandomResizedCrop gives up after ten boxes that do not fit."""

Resize = Literal["antialias", "opencv"]
Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels."""


def random_box(
    width: int,
    height: int,
    scale: tuple[float, float],
    sampling: Literal["torchvision", "paddle"],
    rng: np.random.Generator,
) -> Box:
    """Draw the box of a random crop inside a width x height image.

    ``torchvision``: area uniform in ``scale``, aspect log-uniform in [3/4, 4/3]; after ten boxes
    that do not fit, the largest centre box of an allowed aspect (torchvision RandomResizedCrop).
    ``paddle``: aspect uniform, area bounded so that every box fits (PaddleClas release/2.0,
    RandCropImage).
    """
    if sampling == "paddle":
        root = math.sqrt(rng.uniform(*ASPECT))
        bound = min((width / height) / root**2, (height / width) * root**2)
        least, most = min(scale[0], bound), min(scale[1], bound)
        side = math.sqrt(width * height * rng.uniform(least, most))
        return _placed(max(1, int(side * root)), max(1, int(side / root)), width, height, rng)
    areas = rng.uniform(*scale, TRIES) * (width * height)
    aspects = np.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1]), TRIES))
    for area, aspect in zip(areas, aspects, strict=True):
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return _placed(w, h, width, height, rng)
    w, h = width, height
    if width / height < ASPECT[0]:
        h = round(width / ASPECT[0])
    elif width / height > ASPECT[1]:
        w = round(height * ASPECT[1])
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _placed(w: int, h: int, width: int, height: int, rng: np.random.Generator) -> Box:
    left = int(rng.integers(0, width - w + 1))
    top = int(rng.integers(0, height - h + 1))
    return left, top, left + w, top + h


def crop(
    image: NDArray[np.uint8], box: Box, size: int, resize: Resize = "antialias"
) -> NDArray[np.uint8]:
    """Cut ``box`` out of an [H, W, 3] image and resize it to [size, size, 3] (bilinear).

    ``antialias`` averages over all pixels of the box (Pillow); ``opencv`` mixes the four pixels
    nearest to each output pixel, as PaddleClas does with ``cv2.resize``.
    """
    left, top, right, bottom = box
    part = image[top:bottom, left:right]
    if resize == "opencv":
        return resample(part, taps(bottom - top, size), taps(right - left, size))
    cut = Image.fromarray(part)
    return np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR))


def centre_crop(
    image: NDArray[np.uint8], short_side: int, size: int, resize: Resize = "antialias"
) -> NDArray[np.uint8]:
    """Resize the short side to ``short_side`` (bilinear), then cut the [size, size, 3] centre.

    ``antialias`` equals Pillow's resize and crop byte for byte; ``opencv`` resizes as :func:`crop`
    does. An image whose short side already has that length is not resized.
    """
    height, width = image.shape[:2]
    if min(height, width) != short_side:
        factor = short_side / min(height, width)
        target = (round(width * factor), round(height * factor))
        if resize == "opencv":
            left, top = (target[0] - size) // 2, (target[1] - size) // 2
            rows = taps(height, target[1], top, size)
            return resample(image, rows, taps(width, target[0], left, size))
        image = np.asarray(Image.fromarray(image).resize(target, Image.Resampling.BILINEAR))
        height, width = image.shape[:2]
    left, top = (width - size) // 2, (height - size) // 2
    return image[top : top + size, left : left + size]
