"""Show test images of the most confused pairs, if the prepared pixels are on this machine.

The rest of the report needs only results; only these pictures come from the data.
"""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.base.text import printable
from pipeline.datasets.listing import Split
from pipeline.datasets.manifest import PIXELS, Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.reporting.cell_groups import Place
from pipeline.reporting.document import Gallery, Picture
from pipeline.reporting.results import Cell
from pipeline.settings.folders import prepared_dir

PAIRS_SHOWN = 12
SIDE = 128
"""Largest long side of a picture in pixels; tiny images are enlarged towards it."""


def confused_images(
    place: Place, cell: Cell, pairs: Sequence[tuple[int, int, int]]
) -> Gallery | None:
    """Show the most confident mistake of each pair; None if predictions or images are missing."""
    path = cell.folder / "predictions.parquet"
    prepared = prepared_dir(place.dataset)
    if not path.is_file() or not prepared.is_dir():
        return None
    try:
        manifest = Manifest.load(prepared)
    except UserError:
        return None  # prepare reports what is wrong; the report leaves the pictures out
    if manifest.digest != cell.best.data_digest:
        return None
    store = PixelStore(prepared / PIXELS, manifest)
    paths = manifest.column("path")
    tested: tuple[Split, ...] = ("test",)
    row_of = {paths[row]: int(row) for row in manifest.rows(tested)}
    columns = ["seed", "path", "label", "prediction", "probability"]
    table = pq.read_table(path, columns=columns)
    table = table.filter(pc.equal(table["seed"], table["seed"][0]))
    guesses = {name: table.column(name).to_numpy() for name in table.column_names}
    pictures = []
    for true, predicted, _ in pairs[:PAIRS_SHOWN]:
        wrong = (guesses["label"] == true) & (guesses["prediction"] == predicted)
        if not wrong.any():
            continue
        surest = int(np.argmax(np.where(wrong, guesses["probability"], -1.0)))
        names = manifest.class_names
        caption = (
            f"{printable(names[true])}, taken for {printable(names[predicted])} "
            f"({guesses['probability'][surest]:.0%})"
        )
        pixels = store.image(row_of[guesses["path"][surest]])
        pictures.append(Picture(_png(pixels), caption))
    if not pictures:
        return None
    title = "The most confident mistake in each of the most confused pairs"
    return Gallery(f"{place.stem}-mistakes", title, pictures)


def _png(pixels: np.ndarray) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE))
    times = SIDE // max(image.size)
    image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()
