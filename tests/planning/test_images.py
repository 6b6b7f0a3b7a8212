"""What a person's folder holds is said before anything is decoded."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.planning.images import survey
from pipeline.settings.compose import compose, quote

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    for name, images in (("cat", 10), ("dog", 30), ("eel", 2)):
        (tmp_path / name).mkdir()
        for number in range(images):
            Image.new("RGB", (90, 50 + number % 3)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "notes.txt").write_text("of a person")
    (tmp_path / "cat" / "0.png").write_bytes(b"damaged")
    return tmp_path


def surveyed(folder, *overrides):
    own = ["dataset=folder", f"dataset.root={quote(folder)}", *overrides]
    return survey(compose(ROOT, own).dataset)


def test_layout_classes_splits_and_what_is_left_out(folder):
    said = dict(surveyed(folder, "dataset.min_class_images=3").lines())
    assert said["layout"] == "a folder per class"
    assert said["images"] == "40; the short side of half of them is at least 51 px"
    assert said["classes"] == "2: the smallest is cat with 10, the largest dog with 30"
    assert said["splits"] == "26 to train, 6 to select by, 8 to test at the end"
    assert said["left out"] == "1 .txt: no image; 1 class with too few images: eel (2)"


def test_classes_that_cannot_be_split_are_refused_before_anything_is_made(folder):
    with pytest.raises(UserError, match=r"eel.*min_class_images"):
        surveyed(folder)
