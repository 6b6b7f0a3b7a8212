"""One image of any common kind into RGB pixels of the size that is stored."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from pipeline.settings.schema import DatasetConfig

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Judged by content, not by name. EPS and PDF are left out: they run a program to be decoded."""

MAX_ASPECT = 100
"""A strip longer than this has no crop worth training on, and enlarging it would fill memory."""


class UnreadableError(Exception):
    """The image cannot be used; the message says why."""


@dataclass(frozen=True)
class Decoding:
    """How images are decoded. Sides are in pixels."""

    side: int | None
    """Short side of the result; a smaller image keeps its size. None keeps every size."""
    scaled: bool = True
    """Let the JPEG decoder shrink by 2, 4 or 8 where that still leaves ``side``."""
    max_pixels: int = 200_000_000
    """Larger images are decoded at reduced size where the format can, else refused."""
    crop_bottom: int = 0
    """Rows cut from the bottom before anything else."""

    @classmethod
    def of(cls, dataset: DatasetConfig) -> Decoding:
        """How prepare decodes the images of a dataset."""
        return cls(
            side=None if dataset.store_side == "original" else dataset.store_side,
            scaled=dataset.scaled_decoding,
            max_pixels=dataset.max_pixels,
            crop_bottom=20 if dataset.crop_banner else 0,
        )


def decode(data: bytes, how: Decoding) -> np.ndarray:
    """RGB pixels, uint8 [H, W, 3]: upright, on white, the short side at most ``how.side``.

    Only the first frame of an animation is read. Raises UnreadableError for whatever is no image.
    """
    if not data:
        raise UnreadableError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF and palettes: the pixels are fine
            return _decode(data, how)
    except (UnreadableError, MemoryError):
        raise
    except Image.UnidentifiedImageError:
        raise UnreadableError("not an image of a known format") from None
    except Exception as error:  # the decoders raise nearly every type on damaged files
        reason = str(error) or type(error).__name__
        raise UnreadableError(f"damaged: {reason}") from error


def shrink(pixels: np.ndarray, side: int | None) -> np.ndarray:
    """Grey or RGB pixels as RGB, resized like :func:`decode` does."""
    image = Image.fromarray(pixels).convert("RGB")
    return np.asarray(_resize(image, target_size(image.size, side)))


def target_size(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """(width, height) with the short side ``side``, the long one rounded as PaddleClas does.

    A ``size`` whose short side is no larger is returned as it is, and any size without ``side``.
    """
    width, height = size
    short = min(width, height)
    if side is None or short <= side:
        return size
    return round(width * side / short), round(height * side / short)


def _decode(data: bytes, how: Decoding) -> np.ndarray:
    Image.MAX_IMAGE_PIXELS = None  # Pillow's limit would come before ours
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise UnreadableError(f"{width}x{height} pixels is a strip, not a picture")
        target = target_size((width, height), how.side)
        huge = width * height > how.max_pixels
        # A progressive file is held whole while it is decoded, whatever the scale.
        shrinks = image.format in ("JPEG", "MPO") and not (huge and image.info.get("progressive"))
        if shrinks and (huge or (how.scaled and not how.crop_bottom)):
            image.draft(None, target)
        if image.width * image.height > how.max_pixels:
            raise UnreadableError(
                f"{width}x{height} pixels, more than dataset.max_pixels={how.max_pixels}"
            )
        image.load()
        with contextlib.suppress(Exception):  # damaged EXIF: the pixels are fine
            ImageOps.exif_transpose(image, in_place=True)
        upright = to_rgb(image)
    if how.crop_bottom:
        upright = upright.crop((0, 0, upright.width, max(1, upright.height - how.crop_bottom)))
        target = target_size(upright.size, how.side)
    elif (upright.width > upright.height) != (width > height):
        target = target[::-1]
    return np.asarray(_resize(upright, target))


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB: transparency on white, 16 bits scaled to 8."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise UnreadableError(f"32-bit pixels (mode {image.mode}) have no known white")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.BILINEAR)
