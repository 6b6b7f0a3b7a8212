"""Check a dataset's lists against its configuration, before any image is read."""

from pipeline.base.errors import UserError
from pipeline.datasets.listing import SPLITS, Listing
from pipeline.settings.dataset import DatasetConfig


def differences(dataset: DatasetConfig, listing: Listing) -> list[str]:
    """Return a sentence for each difference between the lists and the configuration.

    Only what the configuration states is compared.
    """
    faults = []
    if dataset.classes is not None and dataset.classes != len(listing.class_names):
        faults.append(f"classes: found {len(listing.class_names)}, stated {dataset.classes}")
    if dataset.counts is not None:
        counted = listing.count()
        for split in SPLITS:
            stated = getattr(dataset.counts, split)
            if counted[split] != stated:
                faults.append(f"{split} images: found {counted[split]:,}, stated {stated:,}")
    return faults


def check(dataset: DatasetConfig, listing: Listing) -> list[str]:
    """Return the differences. Raises UserError unless there are none or they are accepted."""
    faults = differences(dataset, listing)
    if faults and not dataset.accept_counts:
        raise UserError(
            f"{dataset.name}: the official lists are not what conf/dataset says: "
            f"{'; '.join(faults)}. Fetch the archives again, mend `classes` and `counts`, or go on "
            "with dataset.accept_counts=true (the report will say so)."
        )
    return faults
