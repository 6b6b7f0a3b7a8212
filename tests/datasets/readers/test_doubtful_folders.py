"""Folders around the classes, above them and below them: passed, counted, or pointed out."""

import pytest

from pipeline.base.errors import UserError
from tests.datasets.readers.test_class_folders import fill, left_out, read, splits, trees

ABOVE = "they lie above the folders of the classes"


def test_a_class_without_a_split_folder_is_named(tmp_path):
    trees(tmp_path, "ant", "bee", classes=("train", "test"))
    (tmp_path / "cow").mkdir()
    with pytest.raises(UserError, match=r"no image to train on in 1 of 3 classes: .*'cow': empty"):
        read(tmp_path).require_sound()


def test_files_beside_folders_of_splits_are_counted_once(tmp_path):
    trees(tmp_path, "ant", "bee", classes=("train", "test"))
    for name in ("ant/n.txt", "cow/n.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "ant" / "gone.jpg").symlink_to("nowhere")
    for changes in ({}, {"class_level": 1}):
        listing = read(tmp_path, **changes)
        assert left_out(listing) == {".txt": (2, "no image"), ".jpg (images)": (1, ABOVE)}
        assert listing.without_images == {"cow": "1 file, none readable: 1 .txt"}


@pytest.mark.parametrize("parts", [("train", "test"), ("train/train", "test/test")])
def test_broken_links_above_the_classes_are_counted(tmp_path, parts):
    trees(tmp_path, *(f"archive/{part}" for part in parts))
    lost = [tmp_path / "gone.jpg"]
    if "/" in parts[0]:
        lost.append(tmp_path / "archive" / "train" / "gone.png")
    for link in lost:
        link.symlink_to("nowhere")
    expected = {f"{link.suffix} (images)": (1, ABOVE) for link in lost}
    assert left_out(read(tmp_path)) == expected


def test_folders_of_classes_in_splits_are_not_taken_for_classes(tmp_path):
    trees(tmp_path, *(f"{batch}/{split}" for batch in ("b1", "b2") for split in ("train", "test")))
    with pytest.raises(UserError, match=r"b1, b2 .* only folders named like splits") as refused:
        read(tmp_path)
    assert "classes, set dataset.class_level=3. If the classes are b1, b2, " in str(refused.value)
    assert read(tmp_path, class_level=1).class_names == ["b1", "b2"]
    deeper = read(tmp_path, class_level=3)
    assert deeper.class_names == ["ant", "bee"]
    assert splits(deeper) == {"test": 8, "train": 8}
    fill(tmp_path, "b1/test/1.jpg")
    listing = read(tmp_path)
    assert (listing.class_names, splits(listing)) == (["b1", "b2"], {"test": 9, "train": 8})
    (doubt,) = listing.doubts
    assert "(ant, bee): if those are the classes, set dataset.class_level=3" in doubt


def test_splits_of_deeper_folders_are_named_although_classes_do_not_share_them(tmp_path):
    fill(tmp_path, "ant/train/2020/1.jpg", "ant/val/2020/2.jpg", "bee/test/2020/3.jpg")
    with pytest.raises(UserError, match=r"splits \(test, train, val\).* dataset.class_level=1\."):
        read(tmp_path)
    assert splits(read(tmp_path, class_level=1)) == {"test": 1, "train": 1, "val": 1}


@pytest.mark.parametrize(
    "parts",
    [
        ("train/train", "test/test"),
        ("archive_train/train", "archive_test/test"),
        ("train/images", "test/images"),
        ("train/a/photos", "test"),
        ("train", "val/val", "test/x/y"),
    ],
)
def test_a_folder_around_the_classes_of_a_split_is_passed(tmp_path, parts):
    trees(tmp_path, *parts)
    (tmp_path / parts[0]).parent.joinpath("notes.txt").write_text("x")
    listing = read(tmp_path)
    assert listing.class_names == ["ant", "bee"]
    assert set(splits(listing)) == {part.split("/")[0].split("_")[-1] for part in parts}
    assert [group.kind for group in listing.left_out] == [".txt"]


def test_a_class_that_is_alone_in_a_split_stays_a_class(tmp_path):
    fill(tmp_path, "train/ant/x/1.jpg", "train/bee/1.jpg", "test/ant/x/1.jpg")
    listing = read(tmp_path)
    assert listing.class_names == ["ant", "bee"]
    assert splits(listing) == {"train": 2, "test": 1}


def test_a_split_without_classes_below_its_folder_is_refused(tmp_path):
    trees(tmp_path, "train/train")
    fill(tmp_path, "test/test/1.jpg")
    with pytest.raises(UserError, match="test/test: 1 image lies beside the class folders"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("paths", "level"),
    [
        (["cam 1/ant/1.jpg", "cam 1/bee/1.jpg", "cam 2/ant/1.jpg", "cam 2/cow/1.jpg"], 2),
        (["insects/ant/1.jpg", "insects/bee/1.jpg", "birds/owl/1.jpg"], 2),
        (["train/insects/ant/1.jpg", "train/birds/owl/1.jpg", "test/birds/owl/1.jpg"], 3),
    ],
)
def test_classes_that_hold_only_folders_are_doubted(tmp_path, paths, level):
    fill(tmp_path, *paths)
    listing = read(tmp_path)
    (doubt,) = listing.doubts
    assert f"set dataset.class_level={level}" in doubt
    deeper = read(tmp_path, class_level=level)
    assert deeper.class_names == sorted({path.split("/")[-2] for path in paths})
    assert deeper.doubts == []
    fill(tmp_path, paths[0].rsplit("/", 2)[0] + "/own.jpg")
    assert read(tmp_path).doubts == []


def test_images_above_a_stated_level_are_counted(tmp_path):
    trees(tmp_path, "a", "b")
    fill(tmp_path, "cover.jpg", "a/own.jpg", "b/own.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "b" / "gone").symlink_to("nowhere")
    listing = read(tmp_path, class_level=2)
    assert len(listing.entries) == 8
    assert left_out(listing) == {
        ".jpg (images)": (2, ABOVE),
        ".png (images)": (1, ABOVE),
        ".txt": (1, "no image"),
        "other than files": (1, "a link that leads nowhere"),
    }


@pytest.mark.parametrize(
    "beside",
    [
        {"train.txt": "photos/own.jpg 0\n"},
        {"prices.csv": "a,b\n1,2\n"},
        {"labels.json": "{}", "notes.txt": "x", ".hidden/1.jpg": ""},
    ],
)
def test_other_files_do_not_hide_the_level_of_the_classes(tmp_path, beside):
    trees(tmp_path, "photos")
    fill(tmp_path, "photos/own.jpg")
    for name, text in beside.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=r"only one class, 'photos'") as refused:
        read(tmp_path)
    assert "ant, bee: if those are the classes, set dataset.class_level=2" in str(refused.value)
    assert all(name.split("/")[0] in str(refused.value) for name in beside)
