"""Compare a person's images with what the last run of their project prepared."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.base.errors import UserError
from pipeline.base.text import count, quoted
from pipeline.datasets.manifest import MANIFEST, STATS
from pipeline.planning.images import Images


def changes(pictures: Images, folder: Path, prepared: Path) -> str | None:
    """Say how many images are new or gone since ``prepared`` was written; None if none are.

    Where the settings limit the number of images, those beyond the limit count as new.

    Raises UserError when a class is gone, because the next run would replace the results.
    """
    try:
        table = pq.read_table(prepared / MANIFEST, columns=["path", "class_name"])
        unreadable = json.loads((prepared / STATS).read_text(encoding="utf-8"))["unreadable"]
    except (OSError, ValueError, KeyError):  # the project has not run yet
        return None
    before = {*table["path"].to_pylist(), *(each["path"] for each in unreadable)}
    classes = set(table["class_name"].to_pylist())
    gone = sorted(classes - {*pictures.per_class, *pictures.rare})
    if gone:
        raise UserError(
            f"{folder}: no image is left of {count(len(gone), 'class', 'classes')} of the last "
            f"run: {quoted(gone)}. Nothing was changed. Put the images back, or make another "
            f"project; to train this one without them, remove {prepared}"
        )
    now = {entry.path for entry in pictures.listing.entries}
    added, lost = len(now - before), len(before - now)
    if not added and not lost:
        return None
    return (
        f"since the last run: {count(added, 'new image')}, {count(lost, 'removed image')}. Splits "
        "and trials are made anew; the journal keeps the earlier ones"
    )
