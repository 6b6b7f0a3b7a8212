"""Decode an image of any common format to RGB pixels of the size that is stored."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from PIL import Image, ImageOps
from pydantic import ConfigDict, Field

from pipeline.datasets.deep import DeepImage
from pipeline.datasets.formats import SIGNATURE_BYTES, formats, unread_reason
from pipeline.settings.dataset import DatasetConfig
from pipeline.settings.values import Count, White

MAX_ASPECT = 100
"""Largest ratio of the sides. A longer strip has no useful crop, and resizing it fills memory."""


_ICONS = (b"\0\0\1\0", b"\0\0\2\0", b"icns")
"""First bytes of the formats whose pictures Pillow decodes whatever size the file states."""
_ICON_PIXELS = 2048 * 2048
"""Most pixels of such a picture; the formats go up to 1024 x 1024."""
_HUNGRY = {"WEBP": 16, "AVIF": 14, "JPEG2000": 26}
"""Bytes that decoders with large buffers of their own take per pixel, as measured."""
_MOST_BYTES = 1_900_000_000
"""Most memory that one of these decoders may take."""

_TILE = (322, 323)
"""The tags of a TIFF with the width and height of its tiles."""
_MOST_SCANS, _BYTES_A_SCAN = 64, 16_384
"""A progressive JPEG may have so many scans, and one more for so many bytes. Encoders write about
10. Each takes the decoder through the whole image, though it may be 12 bytes long."""
_BAND = 256
"""Number of rows that are put on white at once."""


_opening = threading.Lock()
"""Pillow's limit on pixels is a global variable."""


class UnreadableError(Exception):
    """The image cannot be used; the message says why."""


@dataclass(frozen=True)
class Decoding:
    """The options by which images are decoded; lengths are in pixels."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    """A packaged model states these options, and they are checked when it is read."""

    side: Count | None
    """Short side of the result; smaller images keep their size. None keeps every image's size."""
    scaled: bool = True
    """Let the JPEG decoder shrink by 2, 4 or 8 as long as the short side is at least ``side``."""
    max_pixels: Count = 200_000_000
    """Larger images are decoded at reduced size if the format allows it, else refused."""
    crop_bottom: Annotated[int, Field(ge=0)] = 0
    """Number of rows to cut from the bottom before anything else."""
    white: White | None = None
    """The 16-bit value that means white; None means 65535."""

    @classmethod
    def of(cls, dataset: DatasetConfig) -> Decoding:
        """Return the options that prepare uses for a dataset."""
        return cls(
            side=None if dataset.store_side == "original" else dataset.store_side,
            scaled=dataset.scaled_decoding,
            max_pixels=dataset.max_pixels,
            crop_bottom=20 if dataset.crop_banner else 0,
            white=dataset.white,
        )


@dataclass(frozen=True)
class Decoded:
    """An image in the form in which it is stored."""

    pixels: np.ndarray
    """RGB, uint8 [H, W, 3]."""
    deep_maximum: int | None = None
    """The largest value, up to 65535, of an image with 16 bits per channel; else None."""


def decode(data: bytes, how: Decoding) -> np.ndarray:
    """Return only the pixels that :func:`examine` gives: RGB, uint8 [H, W, 3]."""
    return examine(data, how).pixels


def examine(data: bytes, how: Decoding) -> Decoded:
    """Decode an image to RGB pixels: upright, on white, the short side at most ``how.side``.

    Only the first frame of an animation is read. Raises UnreadableError if it is not an image.
    """
    if not data:
        raise UnreadableError("the file is empty")
    try:
        with warnings.catch_warnings(action="ignore"):  # odd EXIF and palettes do no harm
            return _decode(data, how)
    except (UnreadableError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UnreadableError(f"an icon of more than {_ICON_PIXELS:,} pixels") from None
    except Image.UnidentifiedImageError:
        reason = unread_reason("", data[:SIGNATURE_BYTES])
        other = f"an image of another format, and {reason}" if reason else None
        raise UnreadableError(other or "not an image of a known format") from None
    except Exception as error:  # the decoders raise nearly every type on damaged files
        sentence = " ".join(str(error).split()).partition(". ")[0]  # some add advice
        reason = sentence or type(error).__name__
        raise UnreadableError(f"damaged: {reason}") from error


def pixel_count(data: bytes) -> int:
    """Return how many pixels are decoded at once, as a file states it; 0 if it is not an image."""
    try:
        with warnings.catch_warnings(action="ignore"), _opened(data) as image:
            return _decoded_pixels(image)
    except Exception:  # examine() says what is wrong with it
        return 0


def _decoded_pixels(image: Image.Image) -> int:
    """Return the pixels of an image, or of a tile of a TIFF, which may be larger than the image."""
    tags = getattr(image, "tag_v2", {})
    width, height = (int(tags.get(tag, 0)) for tag in _TILE)
    return max(image.width * image.height, width * height)


def shrink(pixels: np.ndarray, side: int | None) -> np.ndarray:
    """Return grey or RGB pixels as RGB, resized in the same way as :func:`decode`."""
    image = Image.fromarray(pixels).convert("RGB")
    return np.asarray(_resize(image, target_size(image.size, side)))


def target_size(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """Return (width, height) with the short side ``side``, rounding the long one like PaddleClas.

    ``size`` is returned unchanged if its short side is no larger, or if ``side`` is None.
    """
    width, height = size
    short = min(width, height)
    if side is None or short <= side:
        return size
    return round(width * side / short), round(height * side / short)


def _decode(data: bytes, how: Decoding) -> Decoded:
    with _opened(data) as image:
        width, height = image.size
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise UnreadableError(f"{width}x{height} pixels is a strip, not a picture")
        target = target_size((width, height), how.side)
        huge = width * height > how.max_pixels
        if _decoded_pixels(image) > max(how.max_pixels, width * height):
            raise UnreadableError(f"a tile of more pixels than dataset.max_pixels={how.max_pixels}")
        # A progressive file is held whole while it is decoded, whatever the scale.
        shrinks = image.format in ("JPEG", "MPO") and not (huge and image.info.get("progressive"))
        if shrinks and (huge or (how.scaled and not how.crop_bottom)):
            image.draft(None, target)
        if image.width * image.height > how.max_pixels:
            raise UnreadableError(
                f"{width}x{height} pixels, more than dataset.max_pixels={how.max_pixels}"
            )
        needed = image.width * image.height * _HUNGRY.get(image.format or "", 0)
        if needed > _MOST_BYTES:
            raise UnreadableError(
                f"{width}x{height} pixels of {image.format} take {needed / 1e9:.1f} GB to decode, "
                f"more than {_MOST_BYTES / 1e9:.1f}. Save it as JPEG or PNG, or smaller"
            )
        scans = data.count(b"\xff\xda") if image.info.get("progressive") else 0
        if scans > _MOST_SCANS + len(data) // _BYTES_A_SCAN:
            raise UnreadableError(f"a JPEG of {scans:,} scans, which would take too long to decode")
        deep = DeepImage.of(image)
        image.load()
        upright = deep.scaled(image, how.white, lambda: _opened(data)) if deep else image
        with contextlib.suppress(Exception):  # damaged EXIF: the pixels are fine
            ImageOps.exif_transpose(upright, in_place=True)
        upright = flattened(upright)
    if how.crop_bottom:
        upright = upright.crop((0, 0, upright.width, max(1, upright.height - how.crop_bottom)))
        target = target_size(upright.size, how.side)
    elif (upright.width > upright.height) != (width > height):
        target = target[::-1]
    pixels = np.asarray(_resize(upright, target).convert("RGB"))
    return Decoded(pixels, deep.maximum if deep else None)


def _opened(data: bytes) -> Image.Image:
    icon = data.startswith(_ICONS)
    with _opening:
        # Twice this number raises an error. Pillow's own limit would come before ours.
        Image.MAX_IMAGE_PIXELS = _ICON_PIXELS // 2 if icon else None
        image = Image.open(io.BytesIO(data), formats=formats())
        if icon:
            image.load()
        return image


def flattened(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to grey or RGB, 8 bits per channel, transparency on white."""
    if image.mode in ("I", "F"):
        raise UnreadableError(
            f"32-bit pixels (mode {image.mode}): the value of white is unknown; "
            "save the image with 8 or 16 bits a channel"
        )
    if image.mode == "L" and not image.has_transparency_data:
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image if image.mode == "RGBA" else image.convert("RGBA")
    for top in range(0, layer.height, _BAND):  # several whole copies would be gigabytes
        box = (0, top, layer.width, min(top + _BAND, layer.height))
        band = layer.crop(box)
        white = Image.new("RGBA", band.size, (255, 255, 255, 255))
        layer.paste(Image.alpha_composite(white, band), box)
    return layer.convert("RGB")


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.BILINEAR)
