"""Images of confused pairs come from the prepared pixels, and only from the right ones."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.datasets.manifest import PIXELS, Manifest
from pipeline.reporting.cell_groups import Place, places
from pipeline.reporting.confused_images import SIDE, confused_images
from pipeline.reporting.results import Cell, CellName, read_results
from pipeline.settings.folders import prepared_dir
from tests.support.synthetic_results import Benchmark

HEIGHT, WIDTH = 150, 300


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Four test images, each of one grey value, prepared in the working directory."""
    monkeypatch.chdir(tmp_path)
    images = [np.full((HEIGHT, WIDTH, 3), 50 * i, np.uint8) for i in range(4)]
    pixels = b"".join(image.tobytes() for image in images)
    size = HEIGHT * WIDTH * 3
    columns = {
        "path": [f"{i}.png" for i in range(4)],
        "label": [0, 0, 0, 1],
        "class_name": ["class 0", "class 0", "class 0", "class 1"],
        "split": ["test"] * 4,
        "sha256": ["0" * 64] * 4,
        "offset": [i * size for i in range(4)],
        "height": [HEIGHT] * 4,
        "width": [WIDTH] * 4,
    }
    digest = hashlib.sha256(pixels).hexdigest()
    manifest = Manifest.of(pa.table(columns), ["class 0", "class 1"], digest)
    folder = prepared_dir("digits")
    manifest.write(folder)
    (folder / PIXELS).write_bytes(pixels)
    Benchmark(strategies=("grid",)).write(Path())
    [place] = places(read_results(Path(), [CellName("digits", "resnet50_vd", "grid")]).cells)
    cell = place.cells["grid"]
    guesses = {
        "seed": [0] * 4,
        "path": columns["path"],
        "label": columns["label"],
        "prediction": [0, 1, 1, 1],
        "probability": [0.9, 0.6, 0.8, 0.9],
        "top5": [[0], [1], [1], [1]],
    }
    pq.write_table(pa.table(guesses), cell.folder / "predictions.parquet")
    best = cell.best.model_copy(update={"data_digest": manifest.digest})
    return replace(place, cells={"grid": replace(cell, best=best)})


def grid(place: Place) -> Cell:
    return place.cells["grid"]


def test_the_surest_mistake_of_a_pair_is_shown(place: Place) -> None:
    gallery = confused_images(place, grid(place), [(0, 1, 2), (1, 0, 1)])
    assert gallery is not None
    [picture] = gallery.pictures  # nothing of class 1 was taken for class 0
    assert picture.caption == "class 0, taken for class 1 (80%)"
    image = Image.open(io.BytesIO(picture.png))
    assert image.size == (SIDE, SIDE // 2)
    assert image.getpixel((5, 5)) == (100, 100, 100)


def test_no_data_no_pictures(place: Place) -> None:
    (prepared_dir("digits") / PIXELS).unlink()
    assert confused_images(place, grid(place), [(0, 1, 2)]) is None


def test_pixels_of_other_data_are_not_shown(place: Place) -> None:
    best = grid(place).best.model_copy(update={"data_digest": "f" * 64})
    assert confused_images(place, replace(grid(place), best=best), [(0, 1, 2)]) is None


def test_no_predictions_no_pictures(place: Place) -> None:
    (grid(place).folder / "predictions.parquet").unlink()
    assert confused_images(place, grid(place), [(0, 1, 2)]) is None
