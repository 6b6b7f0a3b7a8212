"""Images just below the limit on pixels take bounded memory, whatever their kind."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from pipeline.datasets import decoding, pixels
from pipeline.datasets.decoding import Decoding, UnreadableError, examine, pixel_count
from tests.support.miniatures import encoded
from tests.support.stages import ROOT

GREY, RGB, RGBA = 0, 2, 6
SAMPLES = {GREY: 1, RGB: 3, RGBA: 4}
SIDE = 14_100
GIB = 2**30
HOW = Decoding(64)

DECODE = """
import resource, sys
from pathlib import Path
from pipeline.datasets.decoding import Decoding, examine
found = examine(Path(sys.argv[1]).read_bytes(), Decoding(64)).pixels
print(found.shape, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def write_png(path: Path, colour: int, bits: int) -> None:
    """Write a square of one value, so that the file is small."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    packer = zlib.compressobj(6)
    row = b"\0" + b"\x10" * (SIDE * SAMPLES[colour] * bits // 8)
    packed = b"".join(packer.compress(row) for _ in range(SIDE)) + packer.flush()
    size = struct.pack(">IIBBBBB", SIDE, SIDE, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", size), chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.slow
@pytest.mark.parametrize(("colour", "bits"), [(RGBA, 8), (GREY, 16), (RGB, 16), (RGBA, 16)])
def test_one_process_takes_less_than_two_gigabytes(tmp_path: Path, colour: int, bits: int) -> None:
    write_png(tmp_path / "x.png", colour, bits)
    assert (tmp_path / "x.png").stat().st_size < 3_000_000
    run = subprocess.run(
        [sys.executable, "-c", DECODE, str(tmp_path / "x.png")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    shape, memory = run.stdout.rsplit(maxsplit=1)
    assert shape == "(64, 64, 3)"
    assert int(memory) < 2 * GIB


def icon(kind: str, picture: bytes) -> bytes:
    """Write an icon file whose directory says 128 x 128, whatever the picture in it."""
    if kind == "ICNS":
        body = b"ic07" + struct.pack(">I", 8 + len(picture)) + picture
        return b"icns" + struct.pack(">I", 8 + len(body)) + body
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 128, 128, 0, 0, 1, 32, len(picture), 22)
    return head + picture


@pytest.mark.parametrize("kind", ["ICO", "ICNS"])
def test_an_icon_with_a_huge_picture_in_it_is_not_decoded(kind: str) -> None:
    """Pillow decodes it as it opens an .ico: 2.7 MB took 3.4 GB."""
    assert examine(icon(kind, encoded(Image.new("RGB", (128, 128)), "PNG")), HOW).pixels.size
    bomb = icon(kind, encoded(Image.new("1", (2100, 2100)), "PNG"))
    with pytest.raises(UnreadableError, match="an icon of more than 4,194,304 pixels"):
        examine(bomb, HOW)
    assert pixel_count(bomb) == 0
    assert examine(encoded(Image.new("1", (2100, 2100)), "PNG"), HOW).pixels.size


WEBP = "524946461e000000574542505650384c110000002ffeffd00b07d0842634a1ff8188e87f0000"
"""Its 38 bytes are 198 million pixels of one colour, for which the decoder takes 3 GB."""


def test_formats_whose_decoders_take_much_memory_have_a_lower_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UnreadableError, match=r"16383x12100 pixels of WEBP take 3\.2 GB"):
        examine(bytes.fromhex(WEBP), HOW)
    monkeypatch.setattr(decoding, "_MOST_BYTES", 1_000_000)
    for kind in ("WEBP", "AVIF", "JPEG2000"):
        assert examine(encoded(Image.new("RGB", (190, 190)), kind), HOW).pixels.size
        with pytest.raises(UnreadableError, match=f"300x300 pixels of {kind} take"):
            examine(encoded(Image.new("RGB", (300, 300)), kind), HOW)
    assert examine(encoded(Image.new("RGB", (300, 300)), "PNG"), HOW).pixels.size


@pytest.mark.parametrize(
    ("free", "workers", "places"), [(1, 8, 1), (3, 8, 1), (12, 8, 3), (12, 2, 2), (256, 8, 8)]
)
def test_no_more_large_images_at_once_than_half_the_free_memory_holds(
    monkeypatch: pytest.MonkeyPatch, free: int, workers: int, places: int
) -> None:
    memory = SimpleNamespace(available=free * GIB)
    monkeypatch.setattr(pixels.psutil, "virtual_memory", lambda: memory)
    assert pixels._places_for_large(workers) == places
