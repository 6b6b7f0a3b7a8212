"""Images just below the limit on pixels take bounded memory, whatever their kind."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from pipeline.base import memory
from pipeline.datasets import decoding, pixels
from pipeline.datasets.decoding import Decoding, UnreadableError, examine, pixel_count
from tests.support.miniatures import encoded, picture
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


def test_a_tile_that_is_larger_than_its_image_counts() -> None:
    """Two megabytes of a picture of 64 x 64 pixels took 1.8 GB."""
    tile = zlib.compress(bytes(3 * 192 * 192))
    entries = [(256, 64), (257, 64), (258, 8), (259, 8), (262, 2), (277, 3), (322, 192), (323, 192)]
    at = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries += [(324, at), (325, len(tile))]
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4) + tile
    assert pixel_count(data) == 192 * 192
    assert examine(data, HOW).pixels.shape == (64, 64, 3)
    with pytest.raises(UnreadableError, match="a tile of more pixels than"):
        examine(data, Decoding(64, max_pixels=10_000))


@pytest.mark.parametrize(
    ("free", "workers", "places"), [(1, 8, 1), (3, 8, 1), (12, 8, 3), (12, 2, 2), (256, 8, 8)]
)
def test_no_more_large_images_at_once_than_half_the_free_memory_holds(
    monkeypatch: pytest.MonkeyPatch, free: int, workers: int, places: int
) -> None:
    monkeypatch.setattr(pixels, "free_memory", lambda: free * GIB)
    assert pixels._places_for_large(workers) == places


def test_with_little_free_memory_one_process_writes_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = []
    for number in range(5):
        sources.append(tmp_path / f"{number}.png")
        sources[-1].write_bytes(encoded(picture(1, number, (40 * number + 8, 30)), "PNG"))
    how = Decoding(None)
    expected = pixels.write_store(sources, tmp_path / "a" / "pixels.bin", how, workers=1, title="t")
    monkeypatch.setattr(pixels, "free_memory", lambda: 400_000)
    monkeypatch.setattr(pixels, "ProcessPoolExecutor", None)
    store = tmp_path / "b" / "pixels.bin"
    assert pixels.write_store(sources, store, how, workers=8, title="t") == expected
    assert store.read_bytes() == (tmp_path / "a" / "pixels.bin").read_bytes()
    assert [path.name for path in store.parent.iterdir()] == ["pixels.bin"]


def test_a_container_may_have_less_memory_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = memory.free_memory()
    (tmp_path / "max").write_text("3000000")
    (tmp_path / "current").write_text("1500000")
    (tmp_path / "memory.stat").write_text("anon 900000\ninactive_file 500000\n")
    group = (tmp_path, "max", "current", "inactive_file")
    monkeypatch.setattr(memory, "_GROUPS", (group,))
    assert memory.free_memory() == 2_000_000
    (tmp_path / "max").write_text("max")
    assert memory.free_memory() > 2_000_000 < machine
