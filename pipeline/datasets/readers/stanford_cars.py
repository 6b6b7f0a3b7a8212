"""Read Stanford Cars: MATLAB annotations with ``fname`` and ``class`` (from 1).

The original archives are no longer online: place them by hand, or use the mirror's parquet files.
There is no official validation split.
"""

from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers import embedded
from pipeline.datasets.readers.parsing import inside, matlab
from pipeline.settings.dataset import DatasetConfig

DEVKIT = "car_devkit.tgz"


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the original archives if they are there, else the mirror's files."""
    parquet = [a.file for a in dataset.archives if a.file.endswith(".parquet")]
    if parquet and not archives.has(DEVKIT):
        return embedded.read(archives, parquet)
    devkit = archives.unpacked(DEVKIT) / "devkit"
    (class_names,) = matlab(devkit / "cars_meta.mat", "class_names")
    names = [str(name) for name in class_names]
    lists: list[tuple[Split, str, Path]] = [
        ("train", "cars_train", devkit / "cars_train_annos.mat"),
        ("test", "cars_test", archives.file("cars_test_annos_withlabels.mat")),
    ]
    entries: list[Entry] = []
    for split, folder, file in lists:
        root = archives.unpacked(f"{folder}.tgz")
        for image, label in _annotations(file, len(names)):
            path = f"{folder}/{image}"
            entries.append(Entry(path, label, split, root / path))
    return Listing(names, entries)


def _annotations(file: Path, classes: int) -> list[tuple[str, int]]:
    (annotations,) = matlab(file, "annotations")
    try:
        read = [(inside(str(row["fname"])), int(row["class"]) - 1) for row in annotations]
    except (IndexError, ValueError) as error:
        raise UserError(f"{file}: no struct with fname and class ({error})") from error
    for image, label in read:
        if not 0 <= label < classes:
            raise UserError(f"{file}: class {label + 1} of {image} is not one of 1..{classes}")
    return read
