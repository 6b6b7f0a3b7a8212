"""Read SUN397 by its official partitions: ``Training_01.txt`` and ``Testing_01.txt``.

Lines are ``/a/abbey/sun_aaalbzqrimafwbiv.jpg``; classes may be nested (``/c/church/outdoor``) and
``ClassName.txt`` lists them. Some ``.jpg`` files are BMP, PNG or GIF. There is no official
validation split. The archive is no longer online; a mirror has one partition as parquet.
"""

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers import embedded
from pipeline.datasets.readers.parsing import inside, lines, parsed
from pipeline.settings.dataset import DatasetConfig

ARCHIVE = "SUN397.tar.gz"
PARTITIONS = "Partitions.zip"


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the original archive if it is there, else the mirror's files."""
    parquet = [a.file for a in dataset.archives if a.file.endswith(".parquet")]
    if parquet and not archives.has(ARCHIVE):
        if dataset.partition != 1:
            raise UserError(
                f"dataset.partition={dataset.partition} needs the original {ARCHIVE} and "
                f"{PARTITIONS} (data/README.md); the mirror holds one partition only"
            )
        return embedded.read(archives, parquet)
    root = archives.unpacked(ARCHIVE) / "SUN397"
    partitions = archives.unpacked(PARTITIONS)
    names = [name[3:] for name in lines(root / "ClassName.txt")]
    labels = {name: label for label, name in enumerate(names)}
    entries: list[Entry] = []
    files: list[tuple[Split, str]] = [("train", "Training"), ("test", "Testing")]
    for split, prefix in files:
        file = partitions / f"{prefix}_{dataset.partition:02d}.txt"
        for path in parsed(file, lambda line: inside(line.removeprefix("/"))):
            name = path.rpartition("/")[0][2:]
            if name not in labels:
                raise UserError(f"{file}: class {name!r} is not in ClassName.txt")
            entries.append(Entry(path, labels[name], split, root / path))
    return Listing(names, entries)
