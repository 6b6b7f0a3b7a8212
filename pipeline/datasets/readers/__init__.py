"""Read datasets: one module per archive layout, each by the creators' own lists."""

from importlib import import_module

from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import Listing
from pipeline.settings.dataset import DatasetConfig


def read(dataset: DatasetConfig, archives: Archives) -> Listing:
    """List the images of a dataset; its archives are unpacked if necessary.

    ``dataset.reader`` is the name of a module in this folder. Raises UserError when a list or an
    archive is missing or does not have the known layout.
    """
    reader = import_module(f"{__name__}.{dataset.reader}")
    listing: Listing = reader.read(dataset, archives)
    return listing
