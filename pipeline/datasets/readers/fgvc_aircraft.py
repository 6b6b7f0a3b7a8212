"""Read FGVC-Aircraft by variant: ``data/images_variant_{train,val,test}.txt``.

Lines are ``1025794 707-320``: an image and a variant, whose name may hold spaces and slashes.
``data/variants.txt`` lists the variants; their order there is their label.
"""

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import SPLITS, Entry, Listing
from pipeline.datasets.readers.parsing import inside, lines, parsed
from pipeline.settings.dataset import DatasetConfig


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    data = archives.unpacked("fgvc-aircraft-2013b.tar.gz") / "fgvc-aircraft-2013b" / "data"
    names = lines(data / "variants.txt")
    labels = {name: label for label, name in enumerate(names)}
    entries: list[Entry] = []
    for split in SPLITS:
        file = data / f"images_variant_{split}.txt"
        for image, variant in parsed(file, _fields):
            if variant not in labels:
                raise UserError(f"{file}: variant {variant!r} is not in variants.txt")
            path = f"images/{image}.jpg"
            entries.append(Entry(path, labels[variant], split, data / path))
    return Listing(names, entries)


def _fields(line: str) -> tuple[str, str]:
    image, variant = line.split(" ", 1)
    return inside(image), variant.strip()
