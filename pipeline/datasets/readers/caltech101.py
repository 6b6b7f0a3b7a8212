"""Read Caltech-101: a folder per class, and no lists.

As in Kornblith et al. 2019, 30 random images of each class are train and the rest is test.
BACKGROUND_Google is the 102nd class; ``dataset.background=false`` leaves it out. The choice of
images depends only on ``dataset.split_seed`` and the names, and is recorded in the manifest.
"""

import re

from pipeline.base.errors import UserError
from pipeline.datasets import splits
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing
from pipeline.settings.dataset import DatasetConfig

TRAIN_PER_CLASS = 30
BACKGROUND = "BACKGROUND_Google"
_IMAGE = re.compile(r"image_\d{4}\.jpg")
"""Names of images. The background folder also holds a stray file named ``tmp``."""


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    outer = archives.unpacked("caltech-101.zip")
    inner = archives.unpacked_inner(outer / "caltech-101" / "101_ObjectCategories.tar.gz")
    root = inner / "101_ObjectCategories"
    if not root.is_dir():
        raise UserError(f"{root} is not there: the archive does not have the known layout")
    names = sorted(
        folder.name
        for folder in root.iterdir()
        if folder.is_dir()
        and not folder.name.startswith(".")
        and (dataset.background or folder.name != BACKGROUND)
    )
    groups = {
        label: sorted(
            f"{name}/{file.name}" for file in (root / name).iterdir() if _IMAGE.fullmatch(file.name)
        )
        for label, name in enumerate(names)
    }
    train = splits.choose(groups, TRAIN_PER_CLASS, ("caltech101", dataset.split_seed))
    entries = [
        Entry(path, label, "train" if path in train else "test", root / path)
        for label, paths in groups.items()
        for path in paths
    ]
    return Listing(names, entries)
