"""Read Food-101: ``meta/{train,test}.json`` map a class to names like ``apple_pie/1005649``.

There is no official validation split. The labels of train are noisy by design.
"""

import json

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers.parsing import inside
from pipeline.settings.dataset import DatasetConfig

SPLITS: tuple[Split, ...] = ("train", "test")


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    root = archives.unpacked("food-101.tar.gz") / "food-101"
    lists: dict[Split, dict[str, list[str]]] = {}
    for split in SPLITS:
        file = root / "meta" / f"{split}.json"
        try:
            lists[split] = {
                name: [inside(image) for image in images]
                for name, images in json.loads(file.read_text(encoding="utf-8")).items()
            }
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{file} does not map classes to images ({error})") from error
    names = sorted({name for images in lists.values() for name in images})
    labels = {name: label for label, name in enumerate(names)}
    entries = [
        Entry(f"images/{image}.jpg", labels[name], split, root / "images" / f"{image}.jpg")
        for split, classes in lists.items()
        for name, images in classes.items()
        for image in images
    ]
    return Listing([name.replace("_", " ") for name in names], entries)
