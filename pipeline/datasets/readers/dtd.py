"""Read Describable Textures: ``labels/{train,val,test}N.txt``, lines ``banded/banded_0002.jpg``."""

from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import SPLITS, Entry, Listing, Split
from pipeline.datasets.readers.parsing import inside, parsed
from pipeline.settings.dataset import DatasetConfig


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the official partition ``dataset.partition``, one of ten."""
    root = archives.unpacked("dtd-r1.0.1.tar.gz") / "dtd"
    named: list[tuple[Split, str, str]] = []
    for split in SPLITS:
        for image in parsed(root / "labels" / f"{split}{dataset.partition}.txt", inside):
            name, _, _ = image.partition("/")
            named.append((split, name, image))
    names = sorted({name for _, name, _ in named})
    labels = {name: label for label, name in enumerate(names)}
    entries = [
        Entry(f"images/{image}", labels[name], split, root / "images" / image)
        for split, name, image in named
    ]
    return Listing(names, entries)
