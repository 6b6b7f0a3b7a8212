"""Convert images from 16 to 8 bits per channel, by the white that the file or a person states."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

FULL = 65535
_BAND = 64
"""Number of rows that are scaled at once."""

_DEEP_COLOURS = re.compile(r"(?:RGB|RGBA|RGBX|RGBa|LA);16[BLN]")
"""Pillow's names for 16 bits per channel. ``BGR;16`` differs: 16 bits for all three channels."""

_SAME = list(range(256))

_BITS_PER_SAMPLE = 258
"""The TIFF tag."""


@dataclass
class DeepImage:
    """An image with 16 bits per channel.

    Create it before the pixels are loaded: only then does Pillow still tell the file's layout.
    """

    white: int | None
    """The value that the file states as white, if that is less than its type can hold."""
    transparent: int | tuple[int, ...] | None
    """The value or colour that means transparent."""
    maximum: int = 0
    """The largest value, up to 65535; set by :meth:`scaled`."""

    @classmethod
    def of(cls, image: Image.Image) -> DeepImage | None:
        """Return the DeepImage of an opened image; None if it has 8 bits per channel."""
        codec, layout = _layout(image)
        if image.mode == "I" and image.format == "PPM":
            # Pillow scales what is below 65535 itself.
            return cls(FULL if codec != "raw" else None, None)
        colours = image.mode in ("RGB", "RGBA") and _DEEP_COLOURS.fullmatch(layout)
        if not (colours or image.mode.startswith("I;16")):
            return None
        clear = image.info.get("transparency")
        return cls(_stated(image), clear if isinstance(clear, int | tuple) else None)

    def scaled(
        self, image: Image.Image, white: int | None, again: Callable[[], Image.Image]
    ) -> Image.Image:
        """Return the loaded image with 8 bits per channel.

        ``white`` is used when the file states none. ``again`` opens the file a second time, because
        Pillow keeps only the upper 8 bits of colours.
        """
        top = self.white or white or FULL
        levels = np.minimum(np.arange(FULL + 1) * 255 + top // 2, top * 255) // top
        table = levels.astype(np.uint8)
        if image.mode in ("RGB", "RGBA"):
            return self._colours(image, table, again)
        transparent = self.transparent is not None
        whole = Image.new("LA" if transparent else "L", image.size)
        for box in _bands(image):
            values = np.asarray(image.crop(box)).astype(np.int64).clip(0, FULL)
            self.maximum = max(self.maximum, int(values.max(initial=0)))
            grey = table[values]
            if transparent:
                alpha = np.where(values == self.transparent, 0, 255).astype(np.uint8)
                grey = np.dstack([grey, alpha])
            whole.paste(Image.fromarray(grey), box)
        if "exif" in image.info:
            whole.info["exif"] = image.info["exif"]
        whole.getexif().update(image.getexif())
        return whole

    def _colours(
        self, image: Image.Image, table: np.ndarray, again: Callable[[], Image.Image]
    ) -> Image.Image:
        extrema: Any = image.getextrema()  # one channel at a time: split() would copy them all
        largest = max(int(top) for _, top in extrema[:3])
        self.maximum = largest * 256 + 255 if largest else 0
        low = _low_bytes(again)
        if low is None:  # no PNG, or grey with transparency: 8 bits are all there is
            levels = [int(table[value * 257]) for value in range(256)]
            return image.point(levels * 3 + _SAME * (image.mode == "RGBA"))
        mode = "RGB" if self.transparent is None and image.mode == "RGB" else "RGBA"
        whole = image if image.mode == mode else Image.new(mode, image.size)
        for box in _bands(image):
            high, lower = (np.asarray(each.crop(box)).astype(np.int64) for each in (image, low))
            values = high * 256 + lower
            pixels = table[values[..., :3]]
            if image.mode == "RGBA":
                pixels = np.dstack([pixels, high[..., 3].astype(np.uint8)])
            elif self.transparent is not None:
                hidden = (values == np.asarray(self.transparent)).all(axis=-1)
                pixels = np.dstack([pixels, np.where(hidden, 0, 255).astype(np.uint8)])
            whole.paste(Image.fromarray(pixels), box)
        if whole is not image:
            whole.getexif().update(image.getexif())
        return whole


def _bands(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    for top in range(0, image.height, _BAND):
        yield (0, top, image.width, min(top + _BAND, image.height))


def _low_bytes(again: Callable[[], Image.Image]) -> Image.Image | None:
    """Read the lower 8 bits of each value, as if the file had the other order of bytes."""
    image = again()
    other = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}.get(_layout(image)[1])
    if other is None or image.format != "PNG":
        return None
    image.tile = [tile._replace(args=other) for tile in image.tile]  # type: ignore[attr-defined]
    image.load()
    return image


def _stated(image: Image.Image) -> int | None:
    """Return the white that a TIFF file states, for example 4095 for 12 bits; None if none."""
    bits: Any = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
    first = bits[0] if isinstance(bits, tuple) and bits else bits
    return (1 << first) - 1 if isinstance(first, int) and 8 < first < 16 else None


def _layout(image: Image.Image) -> tuple[str, str]:
    """Return Pillow's names of the codec and of the layout in the file, such as ``RGB;16B``."""
    tiles: Any = getattr(image, "tile", None)
    if not tiles:
        return "", ""
    codec, _, _, arguments = tiles[0]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return str(codec), str(first)
