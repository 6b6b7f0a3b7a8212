"""Images as people have them, and pixels as PIL would give them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.decoding import Decoding, UnreadableError, decode, target_size
from tests.support.miniatures import encoded, picture

EXACT = Decoding(side=256, scaled=False)
STORE = Decoding(side=256)


def ramp(width, height):
    """Linear in both directions and three channels: any fair resize keeps it linear."""
    x = np.linspace(0, 255, width)[None, :]
    y = np.linspace(0, 255, height)[:, None]
    planes = np.broadcast_arrays(x, y, 255 - (x + y) / 2)
    return Image.fromarray(np.stack(planes, -1).round().astype(np.uint8))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256), (300, 90), (90, 300)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_equals_a_plain_pil_resize(size, kind):
    data = encoded(picture(1, 2, size), kind)
    plain = Image.open(io.BytesIO(data)).convert("RGB")
    if min(size) > 256:
        plain = plain.resize(target_size(size, 256), Image.Resampling.BILINEAR)
    assert np.array_equal(decode(data, EXACT), np.asarray(plain))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((500, 375), (341, 256)),
        ((375, 500), (256, 341)),
        ((1000, 256), (1000, 256)),
        ((100, 50), (100, 50)),
        ((257, 257), (256, 256)),
    ],
)
def test_short_side_and_aspect(size, expected):
    assert target_size(size, 256) == expected
    height, width, _ = decode(encoded(picture(0, 0, size)), STORE).shape
    assert (width, height) == expected


@pytest.mark.parametrize("size", [(513, 512), (1024, 768), (2100, 1500), (640, 1300)])
def test_scaled_decoding_keeps_size_and_look(size):
    data = encoded(ramp(*size), quality=95)
    exact, scaled = decode(data, EXACT), decode(data, STORE)
    assert scaled.shape == exact.shape
    assert np.abs(scaled.astype(int) - exact.astype(int)).max() <= 2


def test_scaled_decoding_is_exact_where_the_image_is_not_large_enough():
    data = encoded(picture(3, 1, (500, 375)))
    assert np.array_equal(decode(data, STORE), decode(data, EXACT))


WHITE, RED = (255, 255, 255), (200, 30, 40)


def centre(data, how=STORE):
    pixels = decode(data, how)
    return tuple(int(v) for v in pixels[pixels.shape[0] // 2, pixels.shape[1] // 2])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(encoded(Image.new("L", (40, 30), 77), "PNG"), (77, 77, 77), id="grey"),
        pytest.param(encoded(Image.new("1", (40, 30), 1), "PNG"), WHITE, id="bilevel"),
        pytest.param(
            encoded(Image.new("RGB", (40, 30), RED).quantize(4), "PNG"), RED, id="palette"
        ),
        pytest.param(
            encoded(Image.new("RGBA", (40, 30), (*RED, 0)), "PNG"), WHITE, id="transparent"
        ),
        pytest.param(
            encoded(Image.new("RGBA", (40, 30), (0, 0, 0, 51)), "PNG"), (204,) * 3, id="translucent"
        ),
        pytest.param(encoded(Image.new("LA", (40, 30), (0, 0)), "PNG"), WHITE, id="grey-alpha"),
        pytest.param(
            encoded(Image.new("P", (40, 30), 0), "PNG", transparency=0), WHITE, id="palette-alpha"
        ),
        pytest.param(encoded(Image.new("CMYK", (40, 30), (0, 0, 0, 0)), "JPEG"), WHITE, id="cmyk"),
        pytest.param(
            encoded(Image.fromarray(np.full((30, 40), 0x8080, np.uint16)), "PNG"),
            (128, 128, 128),
            id="16-bit",
        ),
        pytest.param(encoded(Image.new("RGB", (40, 30), RED), "BMP"), RED, id="bmp"),
        pytest.param(encoded(Image.new("RGB", (40, 30), RED), "TIFF"), RED, id="tiff"),
        pytest.param(
            encoded(Image.new("RGB", (40, 30), RED), "WEBP", lossless=True), RED, id="webp"
        ),
    ],
)
def test_modes_and_formats(data, expected):
    assert centre(data) == expected


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, (0, 255, 0))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert centre(data) == RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("size", [(400, 300), (40, 30)])
def test_exif_rotation(kind, size):
    """Orientation 6: the camera was turned; the stored left edge is the top."""
    width, height = size
    image = Image.new("RGB", size, (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, width // 2, height))
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = decode(encoded(image, kind, exif=exif), STORE)
    expected = target_size((height, width), 256)
    assert (pixels.shape[1], pixels.shape[0]) == expected
    top, bottom = pixels[len(pixels) // 8], pixels[-len(pixels) // 8]
    assert top[:, 0].min() > 200
    assert bottom[:, 2].min() > 200


def test_damaged_exif_does_not_lose_the_image():
    data = encoded(picture(0, 0), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode(data, STORE).shape == (40, 48, 3)


def test_rows_cut_from_the_bottom_come_off_before_the_resize():
    photo = Image.new("RGB", (600, 420), RED)
    photo.paste(WHITE, (0, 400, 600, 420))
    pixels = decode(encoded(photo, "PNG"), Decoding(side=200, crop_bottom=20))
    assert pixels.shape == (200, 300, 3)
    assert (pixels == RED).all()


PHOTO = encoded(picture(0, 0, (300, 200)))


def png_bomb(width, height):
    """A PNG that promises width x height pixels and holds none."""
    import zlib

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"hello, world", "not an image", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image", id="svg"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image", id="eps"),
        pytest.param(PHOTO[: len(PHOTO) // 2], "truncated", id="truncated"),
        pytest.param(PHOTO[:200], "damaged|not an image", id="header"),
        pytest.param(png_bomb(60000, 60000), "max_pixels", id="bomb"),
        pytest.param(encoded(Image.new("L", (5000, 10)), "PNG"), "strip", id="strip"),
        pytest.param(encoded(Image.new("F", (9, 9)), "TIFF"), "32-bit", id="float"),
    ],
)
def test_what_is_no_image_says_why(data, reason):
    with pytest.raises(UnreadableError, match=reason):
        decode(data, STORE)


def test_huge_jpeg_is_decoded_at_reduced_size():
    data = encoded(ramp(1600, 1200))
    small = decode(data, Decoding(side=256, scaled=False, max_pixels=1_000_000))
    exact = decode(data, EXACT)
    assert small.shape == exact.shape
    assert np.abs(small.astype(int) - exact.astype(int)).max() <= 3


@pytest.mark.parametrize(("more", "read"), [(0, True), (50, True), (300, False)])
def test_the_scans_of_a_progressive_jpeg_are_limited(more, read):
    """Each costs the time of a whole image, and this one has 12 bytes."""
    data = encoded(Image.new("RGB", (64, 64), (200, 100, 50)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    data = data[:-2] + more * scan + data[-2:]
    if read:
        assert decode(data, Decoding(side=None)).shape == (64, 64, 3)
    else:
        with pytest.raises(UnreadableError, match="scans, which would take too long"):
            decode(data, Decoding(side=None))


def test_huge_images_of_other_kinds_are_refused():
    how = Decoding(side=256, max_pixels=1_000_000)
    for data in (
        encoded(ramp(1600, 1200), "PNG"),
        encoded(ramp(1600, 1200), "JPEG", progressive=True),
    ):
        with pytest.raises(UnreadableError, match="1600x1200"):
            decode(data, how)
