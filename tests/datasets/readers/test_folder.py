"""Anybody's own images: five layouts, odd names, and mistakes named in words."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import UserError
from pipeline.datasets import readers
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.settings.dataset import DatasetConfig
from tests.support.miniatures import jpeg

PHOTO = jpeg(0, 0, (9, 8))


def read(root):
    dataset = DatasetConfig(name="mine", title="Mine", reader="folder", root=str(root))
    listing = readers.read(dataset, Archives("mine", root, root))
    listing.require_sound()
    return listing


def found(root):
    """Path: (class, split)."""
    listing = read(root)
    for entry in listing.entries:
        assert entry.source.is_file()
    return {e.path: (listing.class_names[e.label], e.split) for e in listing.entries}


@pytest.fixture(params=["plain", "été 2024", "图片,[1]=a"])
def root(request, tmp_path):
    folder = tmp_path / request.param
    folder.mkdir()
    return folder


def fill(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(PHOTO)


def test_one_folder_per_class(root):
    fill(root, "chat noir/a b.jpg", "chat noir/été/2.JPG", "犬/わん.png", "犬/no suffix")
    fill(root, ".hidden/x.jpg", "犬/.x.jpg")
    (root / "犬" / "notes.txt").write_text("not an image, and not meant to be")
    assert found(root) == {
        "chat noir/a b.jpg": ("chat noir", None),
        "chat noir/été/2.JPG": ("chat noir", None),
        "犬/わん.png": ("犬", None),
        "犬/no suffix": ("犬", None),
    }


def test_wide_blanks_of_screenshots_and_chinese_names(tmp_path):
    fill(tmp_path, "猫　一/Screenshot at 1.23\u202fPM.png", "b/1.jpg")
    assert "猫　一/Screenshot at 1.23\u202fPM.png" in found(tmp_path)


def test_a_name_that_is_no_text_is_refused(tmp_path):
    fill(tmp_path, "a/1.jpg", "b/1.jpg", "b/\udcff.jpg")
    with pytest.raises(UserError, match="rename it"):
        read(tmp_path)


def test_folders_of_splits(root):
    fill(root, "train/cat/1.jpg", "train/dog/1.jpg", "valid/cat/1.jpg", "test/dog/deep/1.jpg")
    assert found(root) == {
        "train/cat/1.jpg": ("cat", "train"),
        "train/dog/1.jpg": ("dog", "train"),
        "valid/cat/1.jpg": ("cat", "val"),
        "test/dog/deep/1.jpg": ("dog", "test"),
    }


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, "train/1.jpg", "bus/1.jpg")
    assert found(tmp_path) == {"train/1.jpg": ("train", None), "bus/1.jpg": ("bus", None)}


def test_paddleclas_lists(root):
    fill(root, "img/a b.jpg", "img/2.jpg", "img/3.jpg")
    (root / "train_list.txt").write_text("img/a b.jpg 1\nimg/2.jpg\t0\nimg/2.jpg 0\n")
    (root / "val_list.txt").write_text(f"{root}/img/3.jpg 1\n")
    assert found(root) == {
        "img/a b.jpg": ("1", "train"),
        "img/2.jpg": ("0", "train"),
        "img/3.jpg": ("1", "val"),
    }
    assert len(read(root).entries) == 4


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("flowers102_label_list.txt", "0 pink primrose\n1 玫瑰\n", "utf-8"),
        ("label_list.txt", "1 玫瑰\n0 pink primrose\n", "gbk"),
        ("labels.txt", "pink primrose\n玫瑰\n", "utf-8"),
    ],
)
def test_label_maps(tmp_path, name, text, encoding):
    fill(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "train_list.txt").write_text("1.jpg 0\n2.jpg 1\n")
    (tmp_path / name).write_text(text, encoding=encoding)
    assert read(tmp_path).class_names == ["pink primrose", "玫瑰"]


def rows(path, rows, delimiter=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig")])
def test_csv(root, delimiter, encoding):
    fill(root, "a/1.jpg", "a/2,é.jpg", "b.jpg")
    lines = [("label", "path", "split", "by"), ("猫", "a/1.jpg", "train", "me")]
    lines += [("dog", "a/2,é.jpg", "train", ""), ("dog", "b.jpg", "Validation", "")]
    rows(root / "labels.csv", lines, delimiter, encoding)
    rows(root / "other.csv", [("x", "y"), (1, 2)])
    expected = {
        "a/1.jpg": ("猫", "train"),
        "a/2,é.jpg": ("dog", "train"),
        "b.jpg": ("dog", "val"),
    }
    assert found(root) == expected
    assert found(root / "labels.csv") == expected


def test_parquet_without_splits_and_with_numbers(tmp_path):
    labels = [10, 9, 2]
    paths = [f"{label}.jpg" for label in labels]
    fill(tmp_path, *paths)
    pq.write_table(pa.table({"path": paths, "label": labels}), tmp_path / "list.parquet")
    assert read(tmp_path).class_names == ["2", "9", "10"]
    assert {split for _, split in found(tmp_path).values()} == {None}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("files", "texts", "message"),
    [
        pytest.param([], {}, "no images in a known layout", id="empty"),
        pytest.param(
            ["a/1.jpg", "2.jpg"], {}, "beside the class folders, such as 2.jpg", id="loose"
        ),
        pytest.param(
            ["train/1.jpg", "test/1.jpg"], {}, "beside the class folders", id="flat splits"
        ),
        pytest.param(
            ["train/a/1.jpg", "val/b/1.jpg"], {}, "to train on.*'b'", id="class in val only"
        ),
        pytest.param(
            ["train/a/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"], {}, "two folders", id="two vals"
        ),
        pytest.param(["val/a/1.jpg", "test/a/1.jpg"], {}, "but no train", id="no train"),
        pytest.param(["cats/1.jpg"], {}, "only one class, 'cats'", id="one class"),
        pytest.param(
            ["train/a/1.jpg", "val/a/1.jpg", "masks/1.jpg"],
            {},
            r"splits \(train, val\) beside others \(masks\)",
            id="splits and others",
        ),
        pytest.param(["a/1.jpg"], {"b/note.txt": "x"}, "to train on.*'b'", id="class of notes"),
        pytest.param(
            ["1.jpg"],
            {"train_list.txt": "1.jpg 0\n1.jpg\n"},
            "train_list.txt, line 2.*`path label`",
            id="no label",
        ),
        pytest.param(
            ["1.jpg"], {"train_list.txt": "1.jpg 1\n"}, "count from 0.*begin at 1", id="from one"
        ),
        pytest.param(["1.jpg"], {"train_list.txt": "../1.jpg 0\n"}, "is not in", id="out"),
        pytest.param(["1.jpg"], {"train_list.txt": "/etc/passwd 0\n"}, "is not in", id="absolute"),
        pytest.param(
            ["1.jpg"],
            {"train_list.txt": "1.jpg 0\n", "label_list.txt": "1 b\n"},
            "no name for label 0",
            id="label map",
        ),
        pytest.param(
            ["1.jpg"],
            {"l.csv": "path,label\n1.jpg,a\n1.jpg,b\n"},
            "1.jpg is listed in two classes: 'a', 'b'",
            id="two labels",
        ),
        pytest.param(
            ["1.jpg"], {"l.csv": "path,label,split\n1.jpg,a,tset\n"}, "row 2.*'tset'", id="split"
        ),
        pytest.param(
            ["1.jpg", "2.jpg"],
            {"l.csv": "path,label,split\n1.jpg,a,train\n2.jpg,a,\n"},
            "1 of 2 rows have no split",
            id="half split",
        ),
        pytest.param(
            ["1.jpg"],
            {"l.csv": "path,label\n1.jpg,a\n", "m.csv": "path,label\n1.jpg,a\n"},
            "several lists",
            id="two tables",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, files, texts, message):
    fill(tmp_path, *files)
    for name, text in texts.items():
        write(tmp_path / name, text)
    with pytest.raises(UserError, match=message):
        read(tmp_path)


def test_a_missing_folder_or_a_wrong_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read(tmp_path / "gone")
    write(tmp_path / "a.xlsx", "x")
    with pytest.raises(UserError, match=r"neither a folder nor a \.csv"):
        read(tmp_path / "a.xlsx")
    write(tmp_path / "a.csv", "where,kind\n1.jpg,a\n")
    with pytest.raises(UserError, match=r"needs the columns path and label.*where, kind"):
        read(tmp_path / "a.csv")
