"""Read datasets: one module per archive layout, each by the creators' own lists."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Listing
from pipeline.datasets.readers import (
    caltech101,
    digits,
    dtd,
    fashion_mnist,
    fgvc_aircraft,
    flowers102,
    folder,
    food101,
    oxford_iiit_pet,
    stanford_cars,
    sun397,
)
from pipeline.settings.dataset import DatasetConfig

Reader = Callable[[DatasetConfig, Archives], Listing]

_READERS: dict[str, Reader] = {
    "caltech101": caltech101.read,
    "digits": digits.read,
    "dtd": dtd.read,
    "fashion_mnist": fashion_mnist.read,
    "fgvc_aircraft": fgvc_aircraft.read,
    "flowers102": flowers102.read,
    "folder": folder.read,
    "food101": food101.read,
    "oxford_iiit_pet": oxford_iiit_pet.read,
    "stanford_cars": stanford_cars.read,
    "sun397": sun397.read,
}


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the images of a dataset; its archives are unpacked if necessary.

    Raises UserError when a list or an archive is missing or does not have the known layout.
    """
    return _READERS[dataset.reader](dataset, archives)
