"""One module per archive layout. Each reads the creators' own lists, never folder order."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.config import DatasetConfig
from pipeline.datasets.listing import Listing
from pipeline.datasets.readers import digits
from pipeline.datasets.readers.archives import Archives

Reader = Callable[[DatasetConfig, Archives], Listing]

_READERS: dict[str, Reader] = {
    "digits": digits.read,
}


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the images of a dataset, unpacking what it takes.

    Raises UserError where a list or an archive is missing or does not have the known layout.
    """
    return _READERS[dataset.reader](dataset, archives)
