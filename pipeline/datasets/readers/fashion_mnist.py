"""Read Fashion-MNIST: four gzipped idx files of 28x28 grey images and their labels."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.settings.dataset import DatasetConfig


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    from torchvision.datasets import FashionMNIST  # slow to import

    names = FashionMNIST.classes
    entries: list[Entry] = []
    files: list[tuple[Split, str]] = [("train", "train"), ("test", "t10k")]
    for split, prefix in files:
        image_file = archives.file(f"{prefix}-images-idx3-ubyte.gz")
        label_file = archives.file(f"{prefix}-labels-idx1-ubyte.gz")
        images, labels = _idx(image_file, 3), _idx(label_file, 1)
        if len(images) != len(labels):
            raise UserError(f"{image_file} has {len(images)} images, {label_file} {len(labels)}")
        if len(labels) and labels.max() >= len(names):
            raise UserError(f"{label_file}: label {labels.max()} is not one of 0..9")
        entries += [
            Entry(path=f"{split}/{index:05d}", label=int(label), split=split, source=image)
            for index, (image, label) in enumerate(zip(images, labels, strict=True))
        ]
    return Listing(names, entries)


def _idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an idx file of bytes. Header: two zeros, type 8, number of dimensions, their sizes."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole gzip file ({error})") from error
    head = 4 + 4 * dimensions
    if data[:4] != bytes((0, 0, 8, dimensions)) or len(data) < head:
        raise UserError(f"{path} is not an idx file of {dimensions}-dimensional bytes")
    shape = tuple(int(size) for size in np.frombuffer(data[4:head], dtype=">u4"))
    if len(data) - head != np.prod(shape, dtype=np.int64):
        raise UserError(f"{path} is truncated: it states {shape}")
    return np.frombuffer(data, dtype=np.uint8, offset=head).reshape(shape)
