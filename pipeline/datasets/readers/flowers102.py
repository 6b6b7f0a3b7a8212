"""Read Oxford Flowers-102: ``setid.mat`` lists the images of each split, numbered from 1.

Train and validation are the small splits (1,020 each), test is the large one. Some copies of this
dataset have train and test swapped.
"""

from __future__ import annotations

import numpy as np

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers.parsing import matlab
from pipeline.settings.dataset import DatasetConfig

_KEYS: dict[Split, str] = {"train": "trnid", "val": "valid", "test": "tstid"}


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the official splits; ``imagelabels.mat`` holds the class of each image, from 1."""
    images = archives.unpacked("102flowers.tgz")
    (labels,) = matlab(archives.file("imagelabels.mat"), "labels")
    set_ids = archives.file("setid.mat")
    if labels.size == 0 or labels.min() < 1 or labels.max() > len(CLASSES):
        raise UserError(f"imagelabels.mat: classes must be 1..{len(CLASSES)}")
    entries: list[Entry] = []
    for (split, _), ids in zip(_KEYS.items(), matlab(set_ids, *_KEYS.values()), strict=True):
        if ids.size and (ids.min() < 1 or ids.max() > len(labels)):
            raise UserError(f"{set_ids}: image numbers must be 1..{len(labels)}")
        for number in np.sort(ids).tolist():
            path = f"jpg/image_{number:05d}.jpg"
            entries.append(Entry(path, int(labels[number - 1]) - 1, split, images / path))
    return Listing(list(CLASSES), entries)


CLASSES = (
    "pink primrose",
    "hard-leaved pocket orchid",
    "canterbury bells",
    "sweet pea",
    "english marigold",
    "tiger lily",
    "moon orchid",
    "bird of paradise",
    "monkshood",
    "globe thistle",
    "snapdragon",
    "colt's foot",
    "king protea",
    "spear thistle",
    "yellow iris",
    "globe-flower",
    "purple coneflower",
    "peruvian lily",
    "balloon flower",
    "giant white arum lily",
    "fire lily",
    "pincushion flower",
    "fritillary",
    "red ginger",
    "grape hyacinth",
    "corn poppy",
    "prince of wales feathers",
    "stemless gentian",
    "artichoke",
    "sweet william",
    "carnation",
    "garden phlox",
    "love in the mist",
    "mexican aster",
    "alpine sea holly",
    "ruby-lipped cattleya",
    "cape flower",
    "great masterwort",
    "siam tulip",
    "lenten rose",
    "barbeton daisy",
    "daffodil",
    "sword lily",
    "poinsettia",
    "bolero deep blue",
    "wallflower",
    "marigold",
    "buttercup",
    "oxeye daisy",
    "common dandelion",
    "petunia",
    "wild pansy",
    "primula",
    "sunflower",
    "pelargonium",
    "bishop of llandaff",
    "gaura",
    "geranium",
    "orange dahlia",
    "pink-yellow dahlia?",
    "cautleya spicata",
    "japanese anemone",
    "black-eyed susan",
    "silverbush",
    "californian poppy",
    "osteospermum",
    "spring crocus",
    "bearded iris",
    "windflower",
    "tree poppy",
    "gazania",
    "azalea",
    "water lily",
    "rose",
    "thorn apple",
    "morning glory",
    "passion flower",
    "lotus",
    "toad lily",
    "anthurium",
    "frangipani",
    "clematis",
    "hibiscus",
    "columbine",
    "desert-rose",
    "tree mallow",
    "magnolia",
    "cyclamen",
    "watercress",
    "canna lily",
    "hippeastrum",
    "bee balm",
    "ball moss",
    "foxglove",
    "bougainvillea",
    "camellia",
    "mallow",
    "mexican petunia",
    "bromelia",
    "blanket flower",
    "trumpet creeper",
    "blackberry lily",
)
"""Class names in the order of the authors' numbers, from the table on their page."""
