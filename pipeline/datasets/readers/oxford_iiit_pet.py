"""Read Oxford-IIIT Pet: ``annotations/{trainval,test}.txt``, lines ``Abyssinian_100 1 1 1``.

The fields are image, class (from 1), species and breed. ``images/`` also holds files that are not
images; only files in the lists are used. There is no official validation split.
"""

from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers.parsing import inside, parsed
from pipeline.settings.dataset import DatasetConfig


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    images = archives.unpacked("images.tar.gz")
    annotations = archives.unpacked("annotations.tar.gz") / "annotations"
    names: dict[int, str] = {}
    entries: list[Entry] = []
    files: list[tuple[Split, str]] = [("train", "trainval.txt"), ("test", "test.txt")]
    for split, file in files:
        for image, label in parsed(annotations / file, _fields):
            names.setdefault(label, image.rsplit("_", 1)[0].replace("_", " ").title())
            path = f"images/{image}.jpg"
            entries.append(Entry(path, label, split, images / path))
    return Listing([names.get(label, "") for label in range(max(names, default=-1) + 1)], entries)


def _fields(line: str) -> tuple[str, int]:
    image, label, _species, _breed = line.split()
    if int(label) < 1:
        raise ValueError("classes count from 1")
    return inside(image), int(label) - 1
