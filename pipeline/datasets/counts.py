"""Check a dataset's lists against its configuration, before any image is read."""

from __future__ import annotations

from pipeline.base.errors import UserError
from pipeline.datasets.listing import SPLITS, Listing
from pipeline.settings.dataset import DatasetConfig


def differences(dataset: DatasetConfig, listing: Listing) -> list[str]:
    """Return a sentence for each difference between the lists and the configuration.

    Only what the configuration states is compared.
    """
    found = []
    if dataset.classes is not None and dataset.classes != len(listing.class_names):
        found.append(f"classes: found {len(listing.class_names)}, stated {dataset.classes}")
    if dataset.counts is not None:
        counted = listing.count()
        for split in SPLITS:
            stated = getattr(dataset.counts, split)
            if counted[split] != stated:
                found.append(f"{split} images: found {counted[split]:,}, stated {stated:,}")
    return found


def check(dataset: DatasetConfig, listing: Listing) -> list[str]:
    """Return the differences. Raises UserError unless there are none or they are accepted."""
    found = differences(dataset, listing)
    if found and not dataset.accept_counts:
        raise UserError(
            f"{dataset.name}: the official lists are not what conf/dataset says: "
            f"{'; '.join(found)}. Fetch the archives again, mend `classes` and `counts`, or go on "
            "with dataset.accept_counts=true (the report will say so)."
        )
    return found
