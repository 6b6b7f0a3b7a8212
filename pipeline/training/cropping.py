"""Cut the crops of a batch: with Pillow on the host, or from pixels on the trial's device.

Both give the same bytes, so where crops are cut is no part of a trial's key.
"""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.base.errors import UserError
from pipeline.datasets.pixels import PixelStore
from pipeline.settings.schema import RecipeConfig
from pipeline.training.augment import Resize, Window, crop
from pipeline.training.devices import free_bytes
from pipeline.training.resampling import Place, Plan, planned, summed, to_device

SHARE = 3
"""A store stays on the device while it takes less than one part in SHARE of the free memory."""
_COPY_BYTES = 2**26
NICENESS = 10
"""What is added to the nice value of threads that cut crops beside a training."""

Sum = Callable[[Tensor, Plan], Tensor]


class Cropper(Protocol):
    """Cuts crops of stored images and copies arrays to where the crops are."""

    store: PixelStore

    def crops(self, rows: NDArray[np.int64], windows: Sequence[Window]) -> Tensor:
        """Cut a window out of the image of each row; return uint8 [N, size, size, 3]."""

    def tensor(self, values: NDArray[np.int64]) -> Tensor:
        """Copy an array to where the crops are."""


def cropper(store: PixelStore, recipe: RecipeConfig, where: str, device: str) -> Cropper:
    """Make a cropper that works on the host (``where`` is host) or on ``device``.

    Raises UserError if the device does not give the host's bytes.
    """
    if where == "host":
        threads = torch.get_num_threads()
        if device == "cpu":  # the network needs most of them
            return HostCropper(store, recipe, max(1, threads // 4), give_way=True)
        return HostCropper(store, recipe, threads)
    there = torch.device(device)
    _require_equal(recipe.resize, there)
    return DeviceCropper(store, recipe, there, resident(store, there))


class HostCropper:
    """Cuts crops with Pillow or numpy, on ``threads`` threads.

    ``give_way`` is for a processor that trains at the same time. A crop that holds a core makes the
    network's other threads wait. So these threads get a lower priority, and after each crop another
    thread may run. It needs Linux: elsewhere nice changes the whole process.
    """

    def __init__(
        self, store: PixelStore, recipe: RecipeConfig, threads: int = 1, give_way: bool = False
    ) -> None:
        self.store, self.size, self.resize = store, recipe.image_size, recipe.resize
        self.threads, self.give_way = threads, give_way and sys.platform == "linux"
        lower = partial(os.nice, NICENESS) if self.give_way else None
        self.pool = ThreadPoolExecutor(threads, initializer=lower)

    def crops(self, rows: NDArray[np.int64], windows: Sequence[Window]) -> Tensor:
        images = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        remaining = iter(range(len(rows)))  # shared: a thread that is done takes the next one

        def cut() -> None:
            for slot in remaining:
                image = self.store.image(int(rows[slot]))
                images[slot] = crop(image, windows[slot], self.size, self.resize)
                if self.give_way:
                    os.sched_yield()

        for part in [self.pool.submit(cut) for _ in range(self.threads)]:
            part.result()
        return torch.from_numpy(images)

    def tensor(self, values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(values)


class DeviceCropper:
    """Cuts all crops of a batch at once on a device.

    ``pixels`` is the store there, [P, 3]. If it is None, the boxes of each batch are copied.
    """

    def __init__(
        self, store: PixelStore, recipe: RecipeConfig, device: torch.device, pixels: Tensor | None
    ) -> None:
        self.store, self.device, self.pixels = store, device, pixels
        self.size, self.resize = recipe.image_size, recipe.resize

    def crops(self, rows: NDArray[np.int64], windows: Sequence[Window]) -> Tensor:
        if self.pixels is None:
            pixels, places = self._packed(rows, windows)
        else:
            pixels, places = self.pixels, self._resident(rows, windows)
        plan = planned(places, self.size, self.resize, self.device)
        return _summing(self.device)(pixels, plan)

    def tensor(self, values: NDArray[np.int64]) -> Tensor:
        return to_device(values, self.device)

    def _resident(self, rows: NDArray[np.int64], windows: Sequence[Window]) -> NDArray[np.int64]:
        places = []
        for row, window in zip(rows, windows, strict=True):
            left, top, _, _ = window.box
            width, _ = self.store.size(int(row))
            first = int(self.store.offsets[row]) // 3 + top * width + left
            places.append(_place(first, width, window))
        return np.array(places, np.int64)

    def _packed(
        self, rows: NDArray[np.int64], windows: Sequence[Window]
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """Copy the boxes of a batch, one after another, into one buffer on the device."""
        places, first = [], 0
        for window in windows:
            left, top, right, bottom = window.box
            places.append(_place(first, right - left, window))
            first += (right - left) * (bottom - top)
        buffer = torch.empty(first, 3, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        flat = buffer.numpy()
        for row, window, place in zip(rows, windows, places, strict=True):
            left, top, right, bottom = window.box
            stop = place.base + place.width * place.height
            part = flat[place.base : stop].reshape(place.height, place.width, 3)
            part[:] = self.store.image(int(row))[top:bottom, left:right]
        return buffer.to(self.device, non_blocking=True), np.array(places, np.int64)


def _place(first: int, stride: int, window: Window) -> Place:
    left, top, right, bottom = window.box
    return Place(
        first, stride, right - left, bottom - top, *window.target, *window.start, window.flip
    )


_kept: dict[tuple[str, int, torch.device], Tensor] = {}
"""The store on a device, by digest, size and device. Only one is kept: trials in turn share it."""


def resident(store: PixelStore, device: torch.device) -> Tensor | None:
    """Return the pixels of a store on ``device``, [P, 3]; None if they take too much memory.

    The pixels are copied once per process, and later trials of the process use them again.
    """
    key = (store.digest, len(store.pixels), device)
    if key not in _kept:
        _kept.clear()
        if device.type == "cuda":
            torch.cuda.empty_cache()  # else the last store's memory does not count as free
        if SHARE * len(store.pixels) >= free_bytes(device):
            return None
        try:
            pixels = _shared(store.pixels)
            _kept[key] = pixels if device.type == "cpu" else _copied(pixels, device)
        except torch.OutOfMemoryError:  # another process was faster, or its share is limited
            return None
    return _kept[key]


def _shared(pixels: NDArray[np.uint8]) -> Tensor:
    """Return flat pixels as a tensor [P, 3] that shares their memory."""
    with warnings.catch_warnings():  # torch warns of arrays that must not be written to
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(pixels).view(-1, 3)


def _copied(pixels: Tensor, device: torch.device) -> Tensor:
    """Copy pixels [P, 3] to a device, a part at a time."""
    there = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for begin in range(0, len(pixels), _COPY_BYTES // 3):
        part = slice(begin, begin + _COPY_BYTES // 3)
        there[part].copy_(pixels[part])
    return there


@cache
def _summing(device: torch.device) -> Sum:
    """Return the Triton kernel on CUDA if it works there, else the tensor code."""
    if device.type != "cuda" or find_spec("triton") is None:
        return summed
    try:
        from pipeline.training import resampling_kernel

        resampling_kernel.summed(*_probe("antialias", device)[:2])
    except Exception as error:  # no C compiler, or a card that Triton does not know
        print(
            f"crops are cut without the Triton kernel ({type(error).__name__}: {error}); "
            "the bytes are the same, each batch takes longer",
            file=sys.stderr,
        )
        return summed
    return resampling_kernel.summed


@cache
def _require_equal(resize: Resize, device: torch.device) -> None:
    """Raise UserError unless some crops on ``device`` have the host's bytes; once per process."""
    pixels, plan, expected = _probe(resize, device)
    if not torch.equal(_summing(device)(pixels, plan).cpu(), expected):
        from PIL import __version__

        raise UserError(
            f"machine.data: crops on {device} differ from those of Pillow {__version__}; this "
            "project knows how Pillow 13 resizes. Set machine.data=host"
        )


def _probe(resize: Resize, device: torch.device) -> tuple[Tensor, Plan, Tensor]:
    """Return the pixels and the plan of some crops on ``device``, and the crops of the host."""
    size, side = 24, 60
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    boxes = ((0, 0, 60, 60), (3, 5, 16, 60), (1, 2, 58, 13), (7, 7, 8, 8), (2, 0, 30, 59))
    windows = [Window(box, (size, size), flip=box[0] % 2 == 1) for box in boxes]
    windows.append(Window((0, 0, side, side), (34, 31), (5, 3)))
    places = [_place(w.box[1] * side + w.box[0], side, w) for w in windows]
    pixels = torch.from_numpy(image.reshape(-1, 3)).to(device)
    expected = np.stack([crop(image, window, size, resize) for window in windows])
    plan = planned(np.array(places, np.int64), size, resize, device)
    return pixels, plan, torch.from_numpy(expected)
