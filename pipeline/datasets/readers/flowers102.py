"""Read Oxford Flowers-102: ``setid.mat`` lists the images of each split, numbered from 1.

Train and validation are the small splits (1,020 each), test is the large one. Some copies of this
dataset have train and test swapped.
"""

import numpy as np

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers.parsing import matlab
from pipeline.settings.dataset import DatasetConfig

_KEYS: dict[Split, str] = {"train": "trnid", "val": "valid", "test": "tstid"}


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the official splits; ``imagelabels.mat`` holds the class of each image, from 1."""
    from torchvision.datasets import Flowers102  # slow to import

    names = Flowers102.classes  # in the order of the authors' numbers
    images = archives.unpacked("102flowers.tgz")
    (labels,) = matlab(archives.file("imagelabels.mat"), "labels")
    set_ids = archives.file("setid.mat")
    if labels.size == 0 or labels.min() < 1 or labels.max() > len(names):
        raise UserError(f"imagelabels.mat: classes must be 1..{len(names)}")
    entries: list[Entry] = []
    for (split, _), ids in zip(_KEYS.items(), matlab(set_ids, *_KEYS.values()), strict=True):
        if ids.size and (ids.min() < 1 or ids.max() > len(labels)):
            raise UserError(f"{set_ids}: image numbers must be 1..{len(labels)}")
        for number in np.sort(ids).tolist():
            path = f"jpg/image_{number:05d}.jpg"
            entries.append(Entry(path, int(labels[number - 1]) - 1, split, images / path))
    return Listing(names, entries)
