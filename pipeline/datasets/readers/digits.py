"""Read scikit-learn's handwritten digits: 1,797 images of 8x8, part of the installed package."""

import numpy as np

from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing
from pipeline.settings.dataset import DatasetConfig


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the digits without a split; the 17 grey levels 0..16 are spread over 0..255."""
    from sklearn.datasets import load_digits  # slow to import

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    names = [str(name) for name in bunch.target_names]
    entries = [
        Entry(path=f"{names[label]}/{index:04d}", label=int(label), split=None, source=image)
        for index, (image, label) in enumerate(zip(pixels, bunch.target, strict=True))
    ]
    return Listing(class_names=names, entries=entries)
