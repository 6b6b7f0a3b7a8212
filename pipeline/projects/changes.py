"""Compare a person's images with what the last run of their project prepared."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.base.errors import UserError
from pipeline.base.text import count, quoted
from pipeline.datasets.manifest import MANIFEST, STATS
from pipeline.planning.images import Images


def changes(pictures: Images, folder: Path, project: Path, prepared: Path) -> str | None:
    """Say how many images are new, gone or changed since ``prepared`` was written, or None.

    ``folder`` has the images, or is the table that lists them; ``project`` has the dvc.yaml.
    Where the settings limit the number of images, those beyond the limit count as new. An image
    counts as changed by the time of its file.

    Raises UserError when a class is gone, because the next run would replace the results.
    """
    try:
        written = (prepared / MANIFEST).stat().st_mtime
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
    now = {entry.path: entry.source for entry in pictures.listing.entries}
    kept = [source for path, source in now.items() if path in before and isinstance(source, Path)]
    newer = sum(source.stat().st_mtime > written for source in kept if source.is_file())
    numbers = {
        "new": len(now.keys() - before),
        "removed": len(before - now.keys()),
        "changed": newer,
    }
    differ = [count(number, f"{what} image") for what, number in numbers.items() if number]
    if not differ:
        return None
    if folder.is_file():
        follows = (
            "DVC watches only the table. If it is the same as before, run "
            f"`dvc repro -f {project}/dvc.yaml:prepare@{prepared.name}` first"
        )
    else:
        follows = (
            "If the data changed, splits and trials are made again; "
            "earlier trials stay in the journal"
        )
    return f"since the last run: {', '.join(differ)}. {follows}"
