"""Classify many image files at once: decoding and the network share every core."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.base.errors import UserError
from pipeline.base.pools import in_order
from pipeline.base.progress import images_bar
from pipeline.datasets.decoding import UnreadableError, pixel_count
from pipeline.datasets.tree import regular_bytes
from pipeline.deployment.inputs import Unreadable
from pipeline.deployment.predictor import Predictor
from pipeline.settings.machine import threads_alone

BATCH = 16
"""Largest number of images that a thread hands to the network at once."""
LARGE = 25_000_000
"""An image file of at least this many pixels is decoded alone, because it takes much memory."""
_FEW = 32
"""Up to this many images get no progress bar."""


@dataclass(frozen=True)
class Prediction:
    """The most likely classes of an image with their probabilities, the most likely first."""

    path: Path
    ranked: list[tuple[str, float]]

    @property
    def name(self) -> str:
        return self.ranked[0][0]

    @property
    def probability(self) -> float:
        return self.ranked[0][1]


def predictions(
    model: Predictor,
    paths: Sequence[Path],
    top_k: int,
    unreadable: Unreadable,
    *,
    rows_shown: bool = False,
) -> Iterator[Prediction]:
    """Yield a prediction for every readable image, in order; pass the others to ``unreadable``.

    A progress bar counts the images. There is none for a few images, and none with ``rows_shown``,
    where the terminal shows each prediction. Raises UserError when the model returns NaN.

    Each thread decodes some images and runs the network on them by itself. That takes less time
    than threads within the network, which wait for each other when a core has other work.
    """
    workers, batch = _shares(model, len(paths))
    chunks = [paths[start : start + batch] for start in range(0, len(paths), batch)]
    work = _Work(model, top_k)
    quiet = len(paths) <= _FEW or rows_shown
    with (
        images_bar("", len(paths), disable=quiet, leave=False) as bar,
        ThreadPoolExecutor(workers) as pool,
    ):
        for answers in in_order(pool, work.answers, chunks, ahead=2 * workers):
            for path, answer in answers:
                bar.update()
                if isinstance(answer, str):
                    unreadable.add(path, answer)
                else:
                    yield Prediction(path, answer)


def _shares(model: Predictor, images: int) -> tuple[int, int]:
    """Return the number of threads, and the number of images in the batch of a thread.

    Together they hold at most the pixels that the model says it has memory for, or one image.
    """
    most = max(1, model.pixels // model.description.image_size**2)
    workers = max(1, min(threads_alone(), most, images))
    return workers, max(1, min(BATCH, most // workers, -(-images // workers)))


Answer = list[tuple[str, float]] | str
"""The ranked classes of an image, or why it cannot be read."""


class _Work:
    """What a thread does: decode some files, and run the network on them."""

    def __init__(self, model: Predictor, top_k: int) -> None:
        self.model, self.top_k = model, top_k
        self.large = threading.Lock()

    def answers(self, paths: Sequence[Path]) -> list[tuple[Path, Answer]]:
        decoded = [self._decoded(path) for path in paths]
        images = [image for image in decoded if not isinstance(image, str)]
        ranked = iter(self._ranked(np.stack(images)) if images else [])
        return [
            (path, image if isinstance(image, str) else next(ranked))
            for path, image in zip(paths, decoded, strict=True)
        ]

    def _decoded(self, path: Path) -> np.ndarray | str:
        """Return the image as the network receives it, or why it cannot be read."""
        try:
            data = regular_bytes(path)
            if pixel_count(data) < LARGE:
                return self.model.description.image(data)
            with self.large:
                return self.model.description.image(data)
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        except UnreadableError as error:
            return str(error)
        except MemoryError:
            return "too large for the memory of this machine"

    def _ranked(self, images: np.ndarray) -> list[list[tuple[str, float]]]:
        shares = self.model.probabilities(images)
        if not np.isfinite(shares).all():
            raise UserError("the model gives no probabilities: its weights are damaged")
        names = self.model.description.classes
        orders = np.argsort(-shares, axis=1, kind="stable")[:, : self.top_k]
        return [
            [(names[label], float(row[label])) for label in order]
            for row, order in zip(shares, orders, strict=True)
        ]
