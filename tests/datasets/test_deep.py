"""Images of 16 bits a channel: their white, their transparency, and how much of it they use."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.decoding import Decoding, examine
from tests.support.miniatures import encoded

GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6


def png(values, colour, transparent=None):
    """A PNG of 16 bits a channel: values [H, W, channels], and the value that is transparent."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    clear = chunk(b"tRNS", np.array(transparent, ">u2").tobytes()) if transparent else b""
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + clear + body


def ramp(most, channels=1):
    values = np.linspace(0, most, 40 * 50 * channels).astype(np.uint16)
    return values.reshape(40, 50, channels)


def expected(values, white):
    return np.floor(np.minimum(values.astype(float), white) * 255 / white + 0.5).astype(int)


@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (RGB, 3)])
@pytest.mark.parametrize("white", [1023, 4095, 16383])
def test_a_white_that_is_set_reaches_255(colour, channels, white):
    values = ramp(white, channels)
    image = examine(png(values, colour), Decoding(side=256, white=white))
    assert abs(image.pixels.astype(int) - expected(values, white)).max() <= 1
    assert image.pixels.max() == 255
    assert white - 255 <= image.deep_maximum <= white + 255


@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (RGB, 3), (GREY_ALPHA, 2), (RGBA, 4)])
def test_how_much_of_the_range_is_used_is_seen(colour, channels):
    assert examine(png(ramp(4000, channels), colour), Decoding(side=256)).deep_maximum < 8192
    assert examine(png(ramp(60000, channels), colour), Decoding(side=256)).deep_maximum > 8192


def tiff(values):
    """An uncompressed TIFF with 16 bits for each of three channels."""
    height, width = values.shape[:2]
    pixels = values.astype("<u2").tobytes()
    bits = 8 + 2 + 12 * 9 + 4
    entries = [(256, 1, width), (257, 1, height), (258, 3, bits), (259, 1, 1), (262, 1, 2)]
    entries += [(273, 1, bits + 6), (277, 1, 3), (278, 1, height), (279, 1, len(pixels))]
    fields = b"".join(
        struct.pack("<HHII", tag, 3 if tag == 258 else 4, count, value)
        for tag, count, value in entries
    )
    return (
        b"II*\0"
        + struct.pack("<IH", 8, 9)
        + fields
        + bytes(4)
        + struct.pack("<3H", 16, 16, 16)
        + pixels
    )


@pytest.mark.parametrize("white", [None, 40000])
def test_a_colour_tiff_of_16_bits_is_read(white):
    values = ramp(40000, 3)
    image = examine(tiff(values), Decoding(side=256, white=white))
    assert abs(image.pixels.astype(int) - expected(values, white or 65535)).max() <= 2
    assert image.deep_maximum > 39_900


def test_eight_bits_are_not_deep():
    assert examine(encoded(Image.new("RGB", (9, 9)), "PNG"), Decoding(side=9)).deep_maximum is None


@pytest.mark.parametrize("white", [None, 40000])
@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (RGB, 3)])
def test_the_transparent_value_is_white(colour, channels, white):
    values = np.full((40, 50, channels), 0x8000, np.uint16)
    values[:, :20] = 12
    values[:, 20:25] = 13  # nearly the transparent value
    data = png(values, colour, transparent=(12,) * channels)
    pixels = examine(data, Decoding(side=256, white=white)).pixels
    assert (pixels[:, :20] == 255).all()
    assert (pixels[:, 20:25] == 0).all()
    assert abs(int(pixels[0, 40, 0]) - (128 if white is None else 209)) <= 1


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("most", [1023, 4095, 65535])
def test_a_pgm_states_its_white(most, plain):
    values = ramp(most)[..., 0]
    head = f"{'P2' if plain else 'P5'}\n50 40\n{most}\n".encode()
    body = " ".join(map(str, values.ravel())).encode() if plain else values.astype(">u2").tobytes()
    image = examine(head + body, Decoding(side=256))
    assert abs(image.pixels[..., 0].astype(int) - expected(values, most)).max() <= 1
    assert image.pixels.max() == 255
    assert image.deep_maximum == 65535


def test_a_deep_image_is_turned_upright():
    values = np.zeros((40, 60), np.uint16)
    values[:, :30] = 65535
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "TIFF"):
        data = encoded(Image.fromarray(values), kind, exif=exif)
        pixels = examine(data, Decoding(side=256)).pixels
        assert pixels.shape == (60, 40, 3), kind
        assert pixels[5].min() == 255
        assert pixels[-5].max() == 0
