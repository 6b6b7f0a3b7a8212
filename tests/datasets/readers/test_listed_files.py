"""Lists and tables beside the files that they name, and beside folders that say something else."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import UserError
from tests.datasets.readers.test_class_folders import read, splits, trees
from tests.datasets.readers.test_tables import NAMES, labelled, paths, root, write

__all__ = ["root"]


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_a_list_with_any_line_ends(root, end):
    text = end.join(labelled(classes=("0", "1"), separator=" "))
    (root / "train_list.txt").write_text(text, newline="")
    assert paths(read(root)) == NAMES


def test_backslashes_in_a_list_mean_folders(root):
    written = [name.replace("/", "\\") for name in NAMES]
    first, *rest = labelled(written, ("0", "1"), " ")
    write(root / "train_list.txt", first, rest)
    assert paths(read(root)) == NAMES


@pytest.mark.parametrize(
    ("prefix", "hint"),
    [
        ("https://a.invalid/", "Those are addresses: download the images"),
        ("C:\\Users\\me\\", "The paths hold backslashes"),
        ("elsewhere/", r"none of its 6 images is there, such as 'elsewhere/0\.jpg'"),
        ("", r"'0\.jpg' is in photos: write photos/ before the paths"),
        ("x/../", r"'x/\.\./0\.jpg' is in photos: write photos/ before the paths"),
    ],
)
def test_lists_and_tables_of_no_image_that_is_there(root, prefix, hint):
    written = [prefix + name.removeprefix("photos/") for name in NAMES]
    first, *rest = labelled(written, ("0", "1"), " ")
    write(root / "train_list.txt", first, rest)
    with pytest.raises(UserError, match=hint):
        read(root)
    table = write(root / "data.csv", "path,label", labelled(written))
    with pytest.raises(UserError, match=hint):
        read(table)


@pytest.mark.parametrize("between", ["/x/../", "\\x\\..\\"])
def test_a_parent_of_a_folder_that_is_missing_cancels_it(root, between):
    written = [name.replace("/", between) for name in NAMES]
    assert paths(read(write(root / "data.csv", "path,label", labelled(written)))) == NAMES
    first, *rest = labelled(written, ("0", "1"), " ")
    write(root / "train_list.txt", first, rest)
    assert paths(read(root)) == NAMES


def test_a_table_with_bars(root):
    write(root / "data.csv", "path|label", labelled(separator="|"))
    assert read(root).class_names == ["ant", "bee"]


def test_columns_that_are_not_used_are_named(root):
    write(root / "data.csv", "path,label,is_test,note", [f"{row},1,x" for row in labelled()])
    assert read(root).layout.endswith("(not used: is_test, note)")


def test_a_column_without_a_name_is_shown_as_such(root):
    rows = [f"{number},{row},x" for number, row in enumerate(labelled())]
    write(root / "data.csv", ",path,label,note", rows)
    assert read(root).layout.endswith("(not used: (no name), note)")
    write(root / "data.csv", ",where,kind,note", rows)
    for place in (root, root / "data.csv"):
        with pytest.raises(UserError, match=r"\(no name\), where, kind, note"):
            read(place)


@pytest.mark.parametrize("column", ["image", "label"])
@pytest.mark.parametrize("value", [{"bytes": b"\x89PNG", "path": "0.png"}, b"ant", ["ant"]])
def test_a_parquet_column_without_text_is_refused(root, column, value):
    columns = {"image": NAMES, "label": [n % 2 for n in range(6)]} | {column: [value] * 6}
    pq.write_table(pa.table(columns), root / "data.parquet")
    with pytest.raises(UserError, match=f"the column {column} holds .*; allowed: text or numbers"):
        read(root)


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)], ids=str
)
def test_images_inside_a_parquet_file_are_refused_before_they_are_read(root, kind):
    images = pa.array([bytes([number]) * 3 for number in range(6)], kind)
    pq.write_table(pa.table({"image": images, "label": NAMES}), root / "data.parquet")
    data = (root / "data.parquet").read_bytes()
    (root / "data.parquet").write_bytes(data[:4] + b"\xff" * 40 + data[44:])  # not the schema
    with pytest.raises(UserError, match=r"the column image holds .*binary"):
        read(root)


def test_a_parquet_file_of_categories_is_read(root):
    labels = pa.array(["ant", "bee"] * 3).dictionary_encode()
    pq.write_table(pa.table({"path": NAMES, "label": labels}), root / "data.parquet")
    assert read(root).class_names == ["ant", "bee"]


@pytest.mark.parametrize("header", ["path,label", "image,class"])
def test_several_tables_are_never_one_class(root, header):
    for name, rows in (("test.csv", labelled(NAMES[:2])), ("train.csv", labelled(NAMES[2:]))):
        write(root / name, header, rows)
    with pytest.raises(UserError, match=r"several lists \(test.csv, train.csv\).*column split"):
        read(root)


def test_labels_against_the_names_of_folders_are_doubted(tmp_path):
    trees(tmp_path, ".")
    names = [f"{name}/{number}.jpg" for name in ("ant", "bee") for number in (1, 2)]
    rows = [f"{name},{'bee' if name < 'b' else 'ant'}" for name in names]
    write(tmp_path / "data.csv", "path,label", rows)
    (doubt,) = read(tmp_path).doubts
    assert doubt.startswith("4 images lie in a folder named like another class: ant/1.jpg is bee")
    assert read(tmp_path / "data.csv").doubts == [doubt]
    (tmp_path / "data.csv").unlink()
    write(tmp_path / "data.csv", "image,class", rows)
    with pytest.raises(UserError, match="the same images different classes"):
        read(tmp_path)
    assert read(tmp_path, class_level=1).class_names == ["ant", "bee"]


def test_labels_that_rename_the_folders_are_not_doubted(tmp_path):
    trees(tmp_path, "train", "test")
    names = [f"{s}/{c}/{n}.jpg" for s in ("train", "test") for c in ("ant", "bee") for n in (1, 2)]
    rows = [f"{name},{name.split('/')[1].upper()},{name.split('/')[0]}" for name in names]
    write(tmp_path / "data.csv", "path,label,split", rows)
    listing = read(tmp_path)
    assert (listing.class_names, listing.doubts) == (["ANT", "BEE"], [])
    assert splits(listing) == {"train": 4, "test": 4}
