"""Folders that could be meant in two ways are read as they are meant, or refused in words."""

import os

import pytest

from pipeline.base.errors import UserError
from pipeline.datasets import readers
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.settings.schema import DatasetConfig
from tests.support.miniatures import jpeg

PHOTO = jpeg(0, 0, (9, 8))


def read(root, **changes):
    dataset = DatasetConfig(name="mine", title="Mine", reader="folder", root=str(root), **changes)
    return readers.read(dataset, Archives("mine", root, root))


def fill(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(PHOTO)


def trees(root, *parts, classes=("ant", "bee")):
    """Two images of each class in each part."""
    fill(root, *(f"{part}/{name}/{n}.jpg" for part in parts for name in classes for n in (1, 2)))


def splits(listing):
    """Number of entries of each split."""
    given = [entry.split for entry in listing.entries]
    return {split: given.count(split) for split in dict.fromkeys(given)}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("Train", "Test"), {"train": 4, "test": 4}),
        (("TRAINING", "validation", "Testing"), {"train": 4, "val": 4, "test": 4}),
        (("seg_train", "seg_test"), {"train": 4, "test": 4}),
        (("train_set", "dev_set", "tst_set"), {"train": 4, "val": 4, "test": 4}),
        (("train2017", "val2017"), {"train": 4, "val": 4}),
        (("train", "dev"), {"train": 4, "val": 4}),
        (("trainval", "test"), {"train": 4, "test": 4}),
        (("tRAIN", "tEsT"), {"train": 4, "test": 4}),
        (("train_2024-01-05", "test_2024-02-01"), {"train": 4, "test": 4}),
        (("train",), {"train": 4}),
    ],
)
@pytest.mark.parametrize("above", ["", "archive/", "archive/photos of 2024/"])
def test_folders_of_splits(tmp_path, parts, expected, above):
    trees(tmp_path, *(above + part for part in parts))
    listing = read(tmp_path)
    assert listing.class_names == ["ant", "bee"]
    counted = splits(listing)
    assert {split: counted[split] for split in expected} == counted == expected
    for part in parts:
        assert part in listing.layout


@pytest.mark.parametrize(
    "parts", [("morning", "evening"), ("2023", "2024", "2025"), ("train", "holdout"), ("a", "B")]
)
def test_classes_that_share_their_folders_are_refused(tmp_path, parts):
    trees(tmp_path, *parts)
    with pytest.raises(UserError, match="share the same folders") as refused:
        read(tmp_path)
    message = str(refused.value)
    for word in (*parts, "ant", "bee", "dataset.class_level=2", "dataset.class_level=1"):
        assert word in message


def test_the_level_of_the_classes_can_be_stated(tmp_path):
    trees(tmp_path, "morning", "evening")
    assert read(tmp_path, class_level=2).class_names == ["ant", "bee"]
    assert read(tmp_path, class_level=1).class_names == ["evening", "morning"]
    assert len(read(tmp_path, class_level=2).entries) == len(read(tmp_path, class_level=1).entries)
    with pytest.raises(UserError, match="no folders at level 3"):
        read(tmp_path, class_level=3)


def test_splits_inside_the_classes(tmp_path):
    trees(tmp_path, "ant", "bee", classes=("train", "test"))
    listing = read(tmp_path)
    assert listing.class_names == ["ant", "bee"]
    assert splits(listing) == {"test": 4, "train": 4}


def test_a_level_below_folders_of_splits(tmp_path):
    trees(tmp_path, "train/indoor", "train/outdoor", "test/indoor")
    listing = read(tmp_path, class_level=3)
    assert listing.class_names == ["ant", "bee"]
    assert splits(listing) == {"train": 8, "test": 4}


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param(["train/1.jpg", "bus/1.jpg"], id="a class called train"),
        pytest.param(["crash test/1.jpg", "eye_test/1.jpg"], id="classes with test in them"),
        pytest.param(["cat/a/1.jpg", "cat/b/1.jpg", "dog/c/1.jpg"], id="folders below classes"),
        pytest.param(["cat/images/1.jpg", "dog/images/1.jpg"], id="one folder in each"),
        pytest.param(["cat/1.jpg", "cat/x/1.jpg", "dog/1.jpg", "dog/x/1.jpg"], id="own and below"),
        pytest.param(["cat/in/1.jpg", "cat/out/1.jpg", "dog/1.jpg"], id="one has its own"),
    ],
)
def test_folders_that_are_classes_stay_classes(tmp_path, paths):
    fill(tmp_path, *paths)
    listing = read(tmp_path)
    assert listing.class_names == sorted({path.split("/")[0] for path in paths})
    assert splits(listing) == {None: len(paths)}


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["Train/1.jpg", "Test/1.jpg"], "beside the class folders.*class_level=1"),
        (["train/ant/1.jpg", "train/bee/1.jpg", "test/1.jpg"], "beside the class folders in test"),
        (["train/1.jpg", "test/1.jpg", "masks/1.jpg"], "beside others.*masks"),
        (["valid/a/1.jpg", "test/a/1.jpg"], "but no train"),
        (["train/a/1.jpg", "training/a/1.jpg", "test/a/1.jpg"], "two folders for one split"),
        (
            ["entrainement/a/1.jpg", "entrainement/b/1.jpg", "essai/a/1.jpg", "essai/b/1.jpg"],
            "If entrainement, essai are splits, name them train, val and test",
        ),
    ],
)
def test_half_a_layout_of_splits_is_refused(tmp_path, paths, message):
    fill(tmp_path, *paths)
    with pytest.raises(UserError, match=message):
        read(tmp_path)


def test_names_of_classes_that_differ_in_case_are_pointed_out(tmp_path):
    fill(tmp_path, "train/Ant/1.jpg", "train/bee/1.jpg", "test/ant/1.jpg")
    with pytest.raises(UserError, match="'Ant', 'ant' look alike: are they one class"):
        read(tmp_path).require_sound()


@pytest.mark.parametrize("above", ["archive", "archive/2024/photos"])
def test_the_level_of_classes_below_single_folders_is_said(tmp_path, above):
    trees(tmp_path, above)
    level = 1 + len(above.split("/"))
    (tmp_path / "measures.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=f"folders ant, bee: .* set dataset.class_level={level}"):
        read(tmp_path)
    assert read(tmp_path, class_level=level).class_names == ["ant", "bee"]


def test_one_class_in_folders_of_splits_is_said_to_be_one(tmp_path):
    trees(tmp_path, "train", "test", classes=("ant",))
    with pytest.raises(UserError, match="only one class, 'ant'"):
        read(tmp_path).require_sound()


def test_folders_without_an_image_are_named(tmp_path):
    (tmp_path / "ant").mkdir()
    fill(tmp_path, "bee/.hidden.jpg")
    with pytest.raises(UserError, match=r"no image to .*'ant': empty; 'bee': 1 file, none"):
        read(tmp_path).require_sound()


def left_out(listing):
    """Kind: (number, reason)."""
    return {group.kind: (len(group.paths), group.reason) for group in listing.left_out}


@pytest.mark.usefixtures("no_optional_readers")
def test_every_other_file_is_counted_by_kind(tmp_path):
    trees(tmp_path, ".")
    others = ["ant/a.HEIC", "ant/b.heic", "bee/x.jxl", "bee/raw.NEF", "bee/note.TXT", "readme.md"]
    others += ["bee/.hidden.jpg", "ant/.private/1.jpg", "bee/sound.wav", "bee/nothing"]
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"RIFF1234WAVEfmt ")
    (tmp_path / "bee/raw.NEF").write_bytes(b"II*\0 as a TIFF, with a thumbnail")
    (tmp_path / "bee/photo").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    listing = read(tmp_path)
    counted = left_out(listing)
    assert len(listing.entries) == 4
    assert {kind: number for kind, (number, _) in counted.items()} == {
        ".heic": 2,
        ".jxl": 1,
        ".nef": 1,
        ".txt": 1,
        ".md": 1,
        "hidden": 2,
        ".wav": 1,
        "without a suffix": 1,
    }
    assert "no reader" in counted[".nef"][1]
    assert sum(len(group.paths) for group in listing.left_out) == len(others) + 1


def test_litter_is_no_part_of_the_data(tmp_path):
    trees(tmp_path, ".")
    for name in (".DS_Store", "ant/Thumbs.db", "ant/desktop.ini", "__MACOSX/ant/._1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    fill(tmp_path, "bee/._2.jpg", "@eaDir/1.jpg", ".git/1.jpg")
    listing = read(tmp_path)
    assert (listing.class_names, listing.left_out) == (["ant", "bee"], [])


def test_links_are_followed_for_classes_folders_and_files(tmp_path):
    fill(tmp_path, *(f"away/{n}.jpg" for n in range(3)), "photos/ant/1.jpg")
    photos = tmp_path / "photos"
    (photos / "bee").symlink_to("../away")
    (photos / "ant" / "more").symlink_to("../../away")
    (photos / "ant" / "one.jpg").symlink_to("../../away/0.jpg")
    (photos / "ant" / "back").symlink_to("..")
    listing = read(photos)
    assert [entry.path for entry in listing.entries] == [
        *("ant/1.jpg", "ant/more/0.jpg", "ant/more/1.jpg", "ant/more/2.jpg", "ant/one.jpg"),
        *("bee/0.jpg", "bee/1.jpg", "bee/2.jpg"),
    ]
    assert left_out(listing) == {"other than files": (1, "a link to a folder that is read already")}


def test_broken_links_and_pipes_are_named_and_hang_nothing(tmp_path):
    trees(tmp_path, ".")
    (tmp_path / "ant/gone.jpg").symlink_to("nowhere")
    (tmp_path / "ant/note").symlink_to("nowhere")
    (tmp_path / "ant/loop").symlink_to("loop")
    os.mkfifo(tmp_path / "bee/pipe")
    os.mkfifo(tmp_path / "bee/pipe.jpg")
    os.mkfifo(tmp_path / "data.csv")
    listing = read(tmp_path)
    assert {"ant/gone.jpg", "bee/pipe.jpg"} < {entry.path for entry in listing.entries}
    assert {(group.reason, *group.paths) for group in listing.left_out} == {
        ("a link that leads nowhere", "ant/note"),
        ("a link that leads to itself", "ant/loop"),
        ("a named pipe, not a regular file", "data.csv", "bee/pipe"),
    }


def test_a_class_behind_a_broken_link_is_refused(tmp_path):
    trees(tmp_path, ".")
    (tmp_path / "cow").symlink_to("nowhere")
    with pytest.raises(UserError, match="cow: a link that leads nowhere"):
        read(tmp_path)


def test_a_closed_folder_stops_it(tmp_path, monkeypatch):
    trees(tmp_path, ".", "bee/closed")
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(UserError, match="bee/closed: Permission denied"):
        read(tmp_path)


def test_what_holds_no_readable_image_is_said(tmp_path):
    fill(tmp_path, "ant/1.jpg", "bee/1.jpg")
    (tmp_path / "cow").mkdir()
    for n in range(5):
        (tmp_path / "cow" / f"{n}.dng").write_bytes(b"II*\0")
    with pytest.raises(
        UserError, match=r"'cow': 5 files, none readable: 5 \.dng.*min_class_images"
    ):
        read(tmp_path).require_sound()
