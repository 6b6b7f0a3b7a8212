"""Check a dataset's lists against its configuration, before any image is read."""

from pipeline.base.errors import UserError
from pipeline.datasets.listing import Listing
from pipeline.settings.dataset import DatasetConfig


def check(dataset: DatasetConfig, listing: Listing) -> list[str]:
    """Return a sentence for each difference between the lists and what the configuration states.

    Raises UserError unless there are none or they are accepted.
    """
    there = {"classes": len(listing.class_names)}
    stated: dict[str, int | None] = {"classes": dataset.classes}
    if dataset.counts is not None:
        there |= {f"{split} images": images for split, images in listing.count().items()}
        stated |= {f"{split} images": images for split, images in dataset.counts}
    faults = [
        f"{what}: found {there[what]:,}, stated {number:,}"
        for what, number in stated.items()
        if number not in (None, there[what])
    ]
    if faults and not dataset.accept_counts:
        raise UserError(
            f"{dataset.name}: the official lists are not what conf/dataset says: "
            f"{'; '.join(faults)}. Fetch the archives again, correct `classes` and `counts`, or "
            "accept the difference with `accept_counts: true` beside them; the report then says so"
        )
    return faults
