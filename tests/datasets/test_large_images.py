"""Images just below the limit on pixels take bounded memory, whatever their kind."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.datasets import pixels
from tests.support.stages import ROOT

GREY, RGB, RGBA = 0, 2, 6
SAMPLES = {GREY: 1, RGB: 3, RGBA: 4}
SIDE = 14_100
GIB = 2**30

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


@pytest.mark.parametrize(
    ("free", "workers", "places"), [(1, 8, 1), (3, 8, 1), (12, 8, 3), (12, 2, 2), (256, 8, 8)]
)
def test_no_more_large_images_at_once_than_half_the_free_memory_holds(
    monkeypatch: pytest.MonkeyPatch, free: int, workers: int, places: int
) -> None:
    memory = SimpleNamespace(available=free * GIB)
    monkeypatch.setattr(pixels.psutil, "virtual_memory", lambda: memory)
    assert pixels._places_for_large(workers) == places
