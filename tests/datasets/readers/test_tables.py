"""Tables and lists as people and programs write them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import UserError
from tests.datasets.readers.test_class_folders import fill, left_out, read, splits, trees

NAMES = [f"photos/{number}.jpg" for number in range(6)]


@pytest.fixture
def root(tmp_path):
    fill(tmp_path, *NAMES)
    return tmp_path


def write(path, header, rows, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows, ""]), encoding=encoding)
    return path


def labelled(names=NAMES, classes=("ant", "bee"), separator=","):
    return [f"{name}{separator}{classes[i % 2]}" for i, name in enumerate(names)]


def paths(listing):
    return [entry.path for entry in listing.entries]


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        *[(h, ",") for h in ("path,label", "Path, Label", " PATH ,LABEL", "image,class")],
        *[(h, ",") for h in ("filename,category", "File Name,Class Name", "image_path,species")],
        ("path;label", ";"),
        ("filepath\tlabel", "\t"),
    ],
)
def test_columns_by_any_known_name(root, header, separator):
    write(root / "data.csv", header, labelled(separator=separator))
    listing = read(root)
    assert paths(listing) == NAMES
    assert listing.class_names == ["ant", "bee"]
    assert listing.left_out == []
    assert "data.csv" in listing.layout


def test_a_table_beside_its_images(root):
    names = [name.removeprefix("photos/") for name in NAMES]
    write(root / "photos" / "metadata.csv", "file_name,label", labelled(names))
    write(root / "notes.txt", "about these photographs", [])
    for folder in (root, root / "photos"):
        listing = read(folder)
        assert listing.class_names == ["ant", "bee"]
        assert paths(listing) == names
    assert left_out(read(root)) == {".txt": (1, "no image")}


def test_other_suffixes(root):
    write(root / "data.tsv", "path\tlabel", labelled(separator="\t"))
    assert paths(read(root)) == paths(read(root / "data.tsv")) == NAMES
    (root / "data.tsv").unlink()
    pq.write_table(pa.table({"image": NAMES, "Label": [1, 0] * 3}), root / "data.parquet")
    assert read(root).class_names == ["0", "1"]


@pytest.mark.parametrize("header", ["id,breed", "path,breed", "label,number"])
def test_columns_that_are_not_known_are_named(root, header):
    write(root / "data.csv", header, labelled())
    for place in (root, root / "data.csv"):
        with pytest.raises(UserError, match=r"data\.csv") as refused:
            read(place)
        for word in (*header.split(","), "path", "label"):
            assert word in str(refused.value)


def test_only_the_header_tells_the_delimiter(root):
    rows = ["path,label", *labelled(classes=("ant;a;b;c", "bee;d;e"))]
    (root / "data.csv").write_bytes("\r".join(rows).encode())
    assert read(root).class_names == ["ant;a;b;c", "bee;d;e"]


@pytest.mark.parametrize("text", ['path,"label\n' + "a,b\n" * 40_000, "path,label" + "x" * 200_000])
def test_a_cell_beyond_the_limit_of_csv_is_no_table(root, text):
    (root / "data.csv").write_text(text)
    with pytest.raises(UserError, match=r"data\.csv is not a CSV file \(field larger"):
        read(root / "data.csv")


def test_a_parquet_file_with_damaged_columns_is_named(root):
    pq.write_table(pa.table({"path": NAMES, "label": ["ant", "bee"] * 3}), root / "data.parquet")
    data = (root / "data.parquet").read_bytes()
    (root / "data.parquet").write_bytes(data[:4] + b"\xff" * 60 + data[64:])
    with pytest.raises(UserError, match=r"data\.parquet is a damaged parquet file"):
        read(root)


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_blank_rows_and_any_line_end_are_read(root, end):
    rows = ["path,label", "", *labelled(), ",", "", " , "]
    (root / "data.csv").write_bytes(end.join(rows).encode())
    assert paths(read(root)) == NAMES


def test_a_faulty_row_has_its_number_in_the_file(root):
    write(root / "data.csv", "path,label", ["", ",", *labelled()[:2], "photos/2.jpg,"])
    with pytest.raises(UserError, match=r"data\.csv, row 6: path or label is empty"):
        read(root)


@pytest.mark.parametrize("header", ["path,label,Label", "Path,path,label"])
def test_two_columns_of_one_name_are_refused(root, header):
    write(root / "data.csv", header, [f"{row},x" for row in labelled()])
    with pytest.raises(UserError, match=r"data\.csv has 2 columns named (label|Path); keep one"):
        read(root)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.csv", "", "data.csv is a table without columns that can be read"),
        ("data.parquet", "PAR1", "data.parquet is a table without columns"),
        ("data.xlsx", "PK", "data.xlsx cannot be read here. .*save it as CSV"),
        ("more.zip", "PK", "more.zip cannot be read here. If it holds the images, unpack it"),
        ("val_list.txt", "photos/0.jpg 0", "must be called train_list.txt, .* train_list.txt is m"),
    ],
)
def test_a_file_that_cannot_be_the_list_is_named(root, name, content, said):
    (root / name).write_text(content)
    with pytest.raises(UserError, match=f"(?s)only one class, 'photos'.*{said}") as refused:
        read(root)
    assert f"{name} to {name}" not in str(refused.value)


def test_a_packed_file_alone_is_to_be_unpacked(tmp_path):
    (tmp_path / "images.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(UserError, match=r"images\.tar\.gz cannot be .*unpack it") as refused:
        read(tmp_path).require_sound()
    assert "CSV." not in str(refused.value)


def test_the_columns_needed_are_said_once(root):
    write(root / "data.csv", "id,breed", labelled())
    write(root / "labels.json", "{}", [])
    with pytest.raises(UserError, match=r"data\.csv is a table") as refused:
        read(root)
    assert "labels.json cannot be read here" in str(refused.value)
    assert str(refused.value).count("A list needs the columns") == 1


@pytest.mark.parametrize(("name", "text"), [("data.csv", "path,label\n"), ("train_list.txt", "")])
def test_a_list_without_a_row_is_said_to_hold_no_image(root, name, text):
    (root / name).write_text(text)
    with pytest.raises(UserError, match=f"no image to train on .*{name}"):
        read(root).require_sound()


def test_a_table_that_has_nothing_to_do_with_the_images(tmp_path):
    trees(tmp_path, ".")
    (tmp_path / "measures.csv").write_bytes("größe;nummer\n1;2\n".encode("latin-1"))
    write(tmp_path / "who.csv", "file,class", ["a,b"])
    listing = read(tmp_path)
    assert listing.class_names == ["ant", "bee"]
    assert left_out(listing) == {".csv": (2, "no image")}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_another_encoding_is_named(root, encoding):
    write(root / "data.csv", "path,label", labelled(classes=("Bär", "Bückling")), encoding)
    for place in (root, root / "data.csv"):
        with pytest.raises(UserError, match=r"data\.csv.*UTF-8"):
            read(place)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("file", ["train_list.txt", "label_list.txt"])
def test_lists_in_another_encoding_are_named(root, file, encoding):
    write(root / "train_list.txt", "photos/0.jpg 0", ["photos/1.jpg 1"])
    write(root / file, "0 Bär", ["1 Bückling mit Öl"], encoding)
    with pytest.raises(UserError, match=f"{file}.*UTF-8"):
        read(root)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param([name.replace("/", "\\") for name in NAMES], id="backslashes"),
        pytest.param([f"./photos/../{name}" for name in NAMES], id="parent"),
        pytest.param(NAMES, id="absolute"),
    ],
)
def test_paths_that_lie_in_the_folder_are_taken(root, written, request):
    if "absolute" in request.node.name:
        written = [str(root / name) for name in written]
    write(root / "data.csv", "path,label", labelled(written))
    assert paths(read(root)) == NAMES
    assert paths(read(root / "data.csv")) == NAMES


@pytest.mark.parametrize("absolute", [True, False])
def test_paths_that_lead_out_are_refused_with_a_way_out(root, absolute):
    written = [str(root / name) if absolute else f"../{name}" for name in NAMES]
    table = write(root / "lists" / "data.csv", "path,label", labelled(written))
    with pytest.raises(
        UserError, match=r"row 2.*is not in the folder.*Put the table into the folder"
    ):
        read(table)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ([f"C:\\pictures\\{n}.jpg" for n in range(6)], "backslashes"),
        ([f"photos/{n}" for n in range(6)], "no ending such as"),
        ([f"elsewhere/{n}.jpg" for n in range(6)], "none of its 6 images is there"),
    ],
)
def test_a_table_of_no_image_that_is_there(root, written, hint):
    with pytest.raises(UserError, match=hint):
        read(write(root / "data.csv", "path,label", labelled(written)))


def test_the_names_of_splits_are_those_of_folders(root):
    given = ["Training", "TRAIN", "dev", "valid", "Testing", "tst"]
    rows = [f"{row},{split}" for row, split in zip(labelled(), given, strict=True)]
    for header in ("path,label,split", "Image,Class,Subset"):
        write(root / "data.csv", header, rows)
        assert splits(read(root)) == {"train": 2, "val": 2, "test": 2}
    write(root / "data.csv", "path,label,split", [f"{row},fold 1" for row in labelled()])
    with pytest.raises(UserError, match="row 2: split 'fold 1' is not one of train"):
        read(root)


@pytest.mark.parametrize(
    "line", ["photos/0.jpg,1", "photos/0.jpg 1.0", "photos/0.jpg ant", "photos/0.jpg", "a ²"]
)
def test_a_line_that_is_no_path_and_label(root, line):
    write(root / "train_list.txt", "photos/1.jpg 0", ["", line])
    with pytest.raises(UserError, match=r"train_list\.txt, line 3: .*`path label`.*whole number"):
        read(root)


def test_labels_that_do_not_begin_at_0(root):
    write(root / "train_list.txt", "photos/0.jpg 1", ["photos/1.jpg 2"])
    with pytest.raises(UserError, match=r"labels count from 0.*begin at 1"):
        read(root)


def test_a_label_beyond_all_reason(root):
    write(root / "train_list.txt", "photos/0.jpg 0", ["photos/1.jpg 4000000000"])
    with pytest.raises(UserError, match=r"line 2.*more than a million classes"):
        read(root)


@pytest.mark.parametrize("names", [("train.txt", "val.txt"), ("Training.txt", "dev.lst")])
def test_lists_by_other_names(root, names):
    for name in names:
        write(root / name, "photos/0.jpg 0", ["photos/1.jpg 1"])
    with pytest.raises(UserError, match=f"{names[0]} to train_list.txt") as refused:
        read(root)
    assert f"{names[1]} to val_list.txt" in str(refused.value)


def test_images_that_no_list_names_are_counted(root):
    write(root / "train_list.txt", "photos/0.jpg 0", ["photos/1.jpg 1"])
    assert left_out(read(root)) == {".jpg (images)": (4, "no list names them")}
