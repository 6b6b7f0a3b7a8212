"""Each public dataset's reader against a faithful miniature: what is stated must be found."""

import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.datasets import readers
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.listing import SPLITS
from tests.support import miniatures

BUILDERS = {
    **miniatures.PUBLIC,
    "mirrored_cars": miniatures.mirrored_cars,
    "fashion_mnist": miniatures.fashion_mnist,
}


@pytest.fixture(params=BUILDERS)
def miniature(request, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    return BUILDERS[request.param](folder)


def archives(miniature):
    return Archives(miniature.dataset, miniature.folder, miniature.folder.parent / "unpacked")


def read(miniature, **changes):
    return readers.read(miniature.config(**changes), archives(miniature))


def test_finds_what_the_official_lists_state(miniature):
    listing = read(miniature)
    listing.require_sound()
    assert tuple(listing.class_names) == miniature.class_names
    assert tuple(listing.count()[split] for split in SPLITS) == miniature.counts
    assert {entry.label for entry in listing.entries} == set(range(len(miniature.class_names)))
    assert len({entry.path for entry in listing.entries}) == len(listing.entries)


def test_does_not_unpack_twice(miniature):
    first = read(miniature)
    scratch = archives(miniature).scratch
    seen = {path: path.stat().st_ino for path in scratch.rglob("*")}
    second = read(miniature)
    assert [(e.path, e.label, e.split) for e in first.entries] == [
        (e.path, e.label, e.split) for e in second.entries
    ]
    assert seen == {path: path.stat().st_ino for path in scratch.rglob("*")}


def test_missing_file_says_how_to_get_it(miniature):
    config = miniature.config()
    for file in miniature.files:
        (miniature.folder / file).unlink()
    with pytest.raises(UserError, match=f"dvc repro download@{miniature.dataset}"):
        readers.read(config, archives(miniature))


@pytest.fixture
def build(tmp_path):
    def built(name):
        folder = tmp_path / name
        folder.mkdir()
        return BUILDERS[name](folder)

    return built


@pytest.mark.parametrize(
    "name", ["oxford_iiit_pet", "flowers102", "stanford_cars", "fgvc_aircraft", "caltech101"]
)
def test_labels_follow_the_pictures(build, name):
    """Each miniature's images are those of their class: a list read one off would show."""
    listing = read(build(name))
    looks = np.array([_look(miniatures.picture(k, 0)) for k in range(len(listing.class_names))])
    for entry in listing.entries[::9]:
        with Image.open(entry.source) as image:
            seen = _look(image.convert("RGB").crop((0, 0, 48, 40)))
        far = np.abs(looks - seen).sum(1)
        assert far[entry.label] < far.min() + 15, entry.path


def _look(image):
    return np.asarray(image, np.float64).mean((0, 1))


def test_flowers_are_not_swapped(build):
    listing = read(build("flowers102"))
    assert listing.count()["test"] > listing.count()["train"]
    assert listing.class_names[:2] == ["pink primrose", "hard-leaved pocket orchid"]
    assert listing.class_names[-1] == "blackberry lily"


def test_partitions_differ(build):
    dtd = build("dtd")
    first, second = read(dtd, partition=1), read(dtd, partition=2)
    split_of = {entry.path: entry.split for entry in first.entries}
    assert any(split_of[entry.path] != entry.split for entry in second.entries)


def test_caltech_draws_thirty_of_each_class_from_the_seed(build):
    caltech = build("caltech101")
    drawn = {
        seed: {e.path for e in read(caltech, split_seed=seed).entries if e.split == "train"}
        for seed in (0, 1)
    }
    per_class = Counter(path.split("/")[0] for path in drawn[0])
    assert set(per_class.values()) == {30}
    assert drawn[0] != drawn[1]
    assert drawn[0] == {e.path for e in read(caltech).entries if e.split == "train"}


def test_caltech_without_background(build):
    listing = read(build("caltech101"), background=False)
    assert listing.class_names == ["Faces", "accordion"]


def test_mirror_holds_one_partition(build):
    cars = build("mirrored_cars")
    with pytest.raises(UserError, match="one partition"):
        readers.read(cars.config(reader="sun397", partition=2), archives(cars))


def test_originals_placed_by_hand_come_before_the_mirror(build, tmp_path):
    mirror, originals = build("mirrored_cars"), build("stanford_cars")
    for file in originals.files:
        shutil.copy(originals.folder / file, mirror.folder / file)
    assert read(mirror).entries[0].path.startswith("cars_train/")


@pytest.mark.parametrize(
    ("name", "member", "text", "message"),
    [
        ("oxford_iiit_pet", "annotations/trainval.txt", "beagle_1 3 2\n", "trainval.txt, line 1"),
        ("oxford_iiit_pet", "annotations/trainval.txt", "../../x 1 1 1\n", "leads out"),
        ("food101", "food-101/meta/train.json", "[1", "train.json"),
        ("dtd", "dtd/labels/val1.txt", "../../../etc/passwd\n", "leads out"),
        (
            "fgvc_aircraft",
            "fgvc-aircraft-2013b/data/images_variant_val.txt",
            "1 Concorde\n",
            "Concorde",
        ),
    ],
)
def test_malformed_lists_are_named(build, name, member, text, message):
    miniature = build(name)
    read(miniature)
    (changed,) = archives(miniature).scratch.glob(f"*/{member}")
    changed.write_text(text)
    with pytest.raises(UserError, match=message):
        read(miniature)
