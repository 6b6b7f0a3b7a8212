"""Cut random crops for training and the centre crop for evaluation from stored uint8 images."""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.settings.schema import RecipeConfig
from pipeline.training.bilinear import resample, taps

ASPECT = (3 / 4, 4 / 3)
TRIES = 10
"""torchvision's RandomResizedCrop gives up after ten boxes that do not fit."""

Resize = Literal["antialias", "opencv"]
Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels."""


class Window(NamedTuple):
    """Says which part of an image a crop shows: a part of a resized box, mirrored or not."""

    box: Box
    target: tuple[int, int]
    """Width and height that the box is resized to."""
    start: tuple[int, int] = (0, 0)
    """Left and top of the crop in the resized box."""
    flip: bool = False


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


def random_window(
    width: int, height: int, recipe: RecipeConfig, rng: np.random.Generator
) -> Window:
    """Draw a random crop of a width x height image, and whether it is flipped."""
    scale = (recipe.crop_scale[0], recipe.crop_scale[1])
    box = random_box(width, height, scale, recipe.crop_sampling, rng)
    flip = recipe.horizontal_flip and rng.random() < 0.5
    return Window(box, (recipe.image_size, recipe.image_size), flip=flip)


def centre_window(width: int, height: int, short_side: int, size: int) -> Window:
    """Return the [size, size] centre of an image whose short side is resized to ``short_side``."""
    target = (width, height)
    if min(target) != short_side:
        factor = short_side / min(target)
        target = (round(width * factor), round(height * factor))
    start = ((target[0] - size) // 2, (target[1] - size) // 2)
    return Window((0, 0, width, height), target, start)


def crop(
    image: NDArray[np.uint8], window: Window, size: int, resize: Resize = "antialias"
) -> NDArray[np.uint8]:
    """Cut the [size, size, 3] part that ``window`` describes out of an [H, W, 3] image (bilinear).

    ``antialias`` averages over all pixels of the box (Pillow); ``opencv`` mixes the four pixels
    nearest to each output pixel, as PaddleClas does with ``cv2.resize``.
    """
    left, top, right, bottom = window.box
    x, y = window.start
    part = image[top:bottom, left:right]
    if resize == "opencv":
        rows = taps(bottom - top, window.target[1], y, size)
        part = resample(part, rows, taps(right - left, window.target[0], x, size))
    else:
        if window.target != (right - left, bottom - top):
            whole = Image.fromarray(part).resize(window.target, Image.Resampling.BILINEAR)
            part = np.asarray(whole)
        part = part[y : y + size, x : x + size]
    return part[:, ::-1] if window.flip else part


def centre_crop(
    image: NDArray[np.uint8], short_side: int, size: int, resize: Resize = "antialias"
) -> NDArray[np.uint8]:
    """Resize the short side to ``short_side`` (bilinear), then cut the [size, size, 3] centre.

    ``antialias`` equals Pillow's resize and crop byte for byte; ``opencv`` resizes as :func:`crop`
    does. An image whose short side already has that length is not resized.
    """
    height, width = image.shape[:2]
    return crop(image, centre_window(width, height, short_side, size), size, resize)
