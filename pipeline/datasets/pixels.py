"""The decoded images of a dataset, end to end in one flat uint8 file that trials map to memory."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.base.errors import UserError
from pipeline.base.files import replacing
from pipeline.datasets.decoding import Decoding, UnreadableError, decode, shrink
from pipeline.datasets.listing import Source
from pipeline.datasets.manifest import Manifest

_BATCH = 16
"""Images a worker takes at once: enough to hide the cost of handing them over."""


class PixelStore:
    """Reads what :func:`write_store` wrote. Cheap to send to another process."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._path = path
        self._offsets = manifest.column("offset")
        self._heights = manifest.column("height")
        self._widths = manifest.column("width")
        self._open()

    def image(self, row: int) -> np.ndarray:
        """The image of a manifest row: a read-only view, uint8 [H, W, 3]."""
        start, height, width = self._offsets[row], self._heights[row], self._widths[row]
        return self._pixels[start : start + height * width * 3].reshape(height, width, 3)

    def _open(self) -> None:
        # A plain array over the map: np.memmap's own class makes every slice slower.
        self._pixels = np.asarray(np.memmap(self._path, dtype=np.uint8, mode="r"))

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_pixels"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._open()


@dataclass(frozen=True)
class Stored:
    """Where an image lies in the store, and the sha256 of the file it came from."""

    sha256: str
    offset: int
    height: int
    width: int


@dataclass(frozen=True)
class Unreadable:
    reason: str


def write_store(
    sources: Sequence[Source], path: Path, how: Decoding, *, workers: int, title: str
) -> tuple[list[Stored | Unreadable], str]:
    """Decode ``sources`` into ``path`` and say where each went, with the sha256 of the store.

    The same bytes for any number of ``workers`` (1: in this process). Memory does not grow with
    the number of images. Raises UserError when a worker was killed, OSError when the disk is full;
    ``path`` is then left as it was.
    """
    placed: list[Stored | Unreadable] = []
    digest = hashlib.sha256()
    offset = 0
    bar = tqdm(total=len(sources), desc=title, unit="image", smoothing=0.05)
    with replacing(path) as temporary, temporary.open("wb") as out, bar:
        for sha256, result in _decoded(sources, how, workers):
            if isinstance(result, np.ndarray):
                height, width, _ = result.shape
                placed.append(Stored(sha256, offset, height, width))
                flat = result.tobytes()
                out.write(flat)
                digest.update(flat)
                offset += len(flat)
            else:
                placed.append(Unreadable(result))
            bar.update()
        out.flush()
        os.fsync(out.fileno())
    return placed, digest.hexdigest()


_Decoded = tuple[str, np.ndarray | str]
"""Sha256 of the source, and its pixels or the reason why there are none."""


def _decoded(sources: Sequence[Source], how: Decoding, workers: int) -> Iterator[_Decoded]:
    """In the order of ``sources``."""
    task = partial(_decode_batch, how=how)
    batches = (sources[start : start + _BATCH] for start in range(0, len(sources), _BATCH))
    if workers == 1:
        for batch in batches:
            yield from task(batch)
        return
    # Spawned, not forked: the caller may hold threads (a progress bar, a logger).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker) as pool:
        waiting: deque[Future[list[_Decoded]]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(task, batch))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "a process that decodes images was killed, most likely for want of memory. "
                "Lower dataset.max_pixels, or close other programs, and run it again."
            ) from None
        finally:
            for future in waiting:
                future.cancel()


def _begin_worker() -> None:
    """Ctrl-C is the parent's to handle; a parent that was killed leaves no worker behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _decode_batch(sources: Iterable[Source], how: Decoding) -> list[_Decoded]:
    return [_decode_one(source, how) for source in sources]


def _decode_one(source: Source, how: Decoding) -> _Decoded:
    if isinstance(source, np.ndarray):
        header = f"{source.dtype}{source.shape}".encode()
        return hashlib.sha256(header + source.tobytes()).hexdigest(), shrink(source, how.side)
    try:
        data = source.read_bytes()
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        return sha256, decode(data, how)
    except UnreadableError as error:
        return sha256, str(error)
