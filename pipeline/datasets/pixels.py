"""Store a dataset's decoded images in one flat uint8 file that trials map to memory."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from pipeline.base.errors import UserError
from pipeline.base.files import replacing
from pipeline.base.memory import free_memory
from pipeline.base.pools import in_order
from pipeline.base.progress import images_bar
from pipeline.datasets.contents import sha256_of
from pipeline.datasets.decoding import (
    Decoded,
    Decoding,
    UnreadableError,
    examine,
    pixel_count,
    shrink,
)
from pipeline.datasets.listing import Source
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.tree import irregular, regular_bytes

_BATCH = 16
"""Number of images per task of a worker: enough to hide the cost of passing them."""


_PIECE = 1 << 20
"""Bytes that are copied at once."""

_LARGE_PIXELS = 20_000_000
"""Larger images wait until few enough are being decoded; photographs of cameras are smaller."""

_LARGE_BYTES = 2 * 1024**3
"""Memory that a process needs, at most, for an image of 200 million pixels."""

_WORKER_BYTES = 512 * 1024**2
"""Memory that a process needs with an image of 20 million pixels."""

Places = AbstractContextManager[Any]
_places: Places = nullcontext()
"""In a worker: the semaphore that limits how many large images are decoded at once."""


class PixelStore:
    """A store written by :func:`write_store`, opened for reading.

    ``pixels`` is the whole store, flat; ``offsets`` says where each image begins in it.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        # A plain array over the map: np.memmap's own class makes every slice slower.
        self.pixels: np.ndarray = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        self.offsets = manifest.column("offset")
        self._heights = manifest.column("height")
        self._widths = manifest.column("width")
        self.digest = manifest.pixels_sha256

    def size(self, row: int) -> tuple[int, int]:
        """Return the width and height of the image of a manifest row."""
        return int(self._widths[row]), int(self._heights[row])

    def image(self, row: int) -> np.ndarray:
        """Return the image of a manifest row as a read-only view, uint8 [H, W, 3]."""
        start, (width, height) = self.offsets[row], self.size(row)
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)


@dataclass(frozen=True)
class Stored:
    """The place of an image in the store, and the sha256 of the file it came from."""

    sha256: str
    offset: int
    height: int
    width: int
    deep_maximum: int | None = None
    """The largest value, up to 65535, of an image with 16 bits per channel; else None."""


Placed = Stored | str
"""What became of an image: its place in the store, or the reason why it cannot be used."""


def write_store(
    sources: Sequence[Source], path: Path, how: Decoding, *, workers: int, title: str
) -> tuple[list[Placed], str]:
    """Decode ``sources`` into ``path``; return the place of each image and the store's sha256.

    Any number of ``workers`` gives the same bytes; 1 decodes in this process. Memory does not grow
    with the number of images. Raises UserError when a worker was killed and OSError when the disk
    is full; ``path`` is then left as it was.
    """
    placed: list[Placed] = []
    digest = hashlib.sha256()
    offset = 0
    bar = images_bar(title, len(sources))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
    with replacing(path) as temporary, temporary.open("wb") as out, bar, aside as folder:
        for results, decoded in _decoded(sources, how, workers, Path(folder)):
            for each in results:
                if isinstance(each, Stored):
                    each = replace(each, offset=offset + each.offset)
                placed.append(each)
            with decoded.open("rb") as file:
                while piece := file.read(_PIECE):
                    out.write(piece)
                    digest.update(piece)
            decoded.unlink()
            offset = out.tell()
            bar.update(len(results))
        out.flush()
        os.fsync(out.fileno())
    return placed, digest.hexdigest()


_Batch = tuple[list[Placed], Path]
"""What became of some images, and the file with their pixels. Their places are those in it."""


def _decoded(
    sources: Sequence[Source], how: Decoding, workers: int, aside: Path
) -> Iterator[_Batch]:
    """Decode ``sources`` in batches, in the same order, into files in the folder ``aside``."""
    workers = max(1, min(workers, free_memory() // 2 // _WORKER_BYTES))
    task = partial(_decode_batch, how=how, aside=aside)
    batches = (sources[start : start + _BATCH] for start in range(0, len(sources), _BATCH))
    if workers == 1:
        yield from map(task, batches)
        return
    # Spawned, not forked: the caller may hold threads (a progress bar, a logger).
    context = multiprocessing.get_context("spawn")
    places = context.Semaphore(_places_for_large(workers))
    with ProcessPoolExecutor(workers, context, _begin_worker, (places,)) as pool:
        try:
            yield from in_order(pool, task, batches, ahead=2 * workers)
        except BrokenProcessPool:
            raise UserError(
                "a process that decodes images was killed, most likely for want of memory. "
                "Lower dataset.max_pixels, or close other programs, and run it again."
            ) from None


def _begin_worker(places: Places) -> None:
    """Set up a worker: ignore Ctrl-C, which the parent handles, and end when the parent ends."""
    global _places
    _places = places
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _places_for_large(workers: int) -> int:
    """Return how many workers may decode a large image at once in half of the free memory."""
    return max(1, min(workers, free_memory() // 2 // _LARGE_BYTES))


def _decode_batch(sources: Iterable[Source], how: Decoding, aside: Path) -> _Batch:
    path = aside / uuid4().hex
    results: list[Placed] = []
    with path.open("wb") as out:
        for source in sources:
            sha256, decoded = _decode_one(source, how)
            if isinstance(decoded, str):
                results.append(decoded)
                continue
            height, width, _ = decoded.pixels.shape
            results.append(Stored(sha256, out.tell(), height, width, decoded.deep_maximum))
            out.write(np.ascontiguousarray(decoded.pixels).data.cast("B"))
    return results, path


def _decode_one(source: Source, how: Decoding) -> tuple[str, Decoded | str]:
    if isinstance(source, np.ndarray):
        return sha256_of(source), Decoded(shrink(source, how.side))
    try:
        data = regular_bytes(source)
    except OSError as error:
        return "", irregular(source) or f"cannot be read: {error.strerror}"
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        with _places if pixel_count(data) > _LARGE_PIXELS else nullcontext():
            return sha256, examine(data, how)
    except UnreadableError as error:
        return sha256, str(error)
