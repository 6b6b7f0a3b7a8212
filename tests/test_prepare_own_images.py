"""prepare on folders as people have them: what is stored, what is left out, and what is said."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import MANIFEST, PIXELS, STATS, Manifest
from pipeline.datasets.pixels import PixelStore, write_store
from pipeline.prepare import run
from pipeline.settings.compose import compose, quote
from tests.support.miniatures import encoded, jpeg, picture
from tests.test_prepare import ROOT, images


@pytest.fixture
def prepare(tmp_path, monkeypatch, capsys):
    """Prepare tmp_path/own with overrides; return manifest, stats, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def prepared(*overrides, root="own"):
        own = ["dataset=folder", f"dataset.root={quote(tmp_path / root)}", "dataset.store_side=64"]
        capsys.readouterr()
        run(compose(ROOT, [*own, *overrides]))
        said = capsys.readouterr()
        into = tmp_path / "data/prepared/folder"
        return Manifest.load(into), json.loads((into / STATS).read_text()), said.out, said.err

    return prepared


@pytest.fixture
def own(tmp_path):
    images(tmp_path / "own")
    return tmp_path / "own"


def test_what_the_folder_was_taken_for_is_said(prepare, own):
    shutil.copytree(own, own.parent / "both" / "Train")
    for label, name in enumerate(("cat", "dog")):
        (own.parent / "both" / "seg_test" / name).mkdir(parents=True)
        for number in range(10):
            path = own.parent / "both" / "seg_test" / name / f"{number}.jpg"
            path.write_bytes(jpeg(label, 100 + number))
    _, stats, out, _ = prepare(root="both")
    assert "2 classes, 16 train, 4 val, 20 test images" in out
    assert "Train is train" in out
    assert "seg_test is test" in out
    assert "classes: cat, dog" in out
    assert "cat  8 train, 2 val, 10 test" in out
    assert stats["layout"] in out


def test_a_name_that_is_not_utf8_is_escaped_and_counted(prepare, own):
    (own / "cat" / "\udce9t\udce9.txt").write_text("x")
    _, stats, _, err = prepare()
    assert stats["left_out"][0]["paths"] == [r"cat/\udce9t\udce9.txt"]
    assert r"left out: 1 .txt: no image (cat/\udce9t\udce9.txt)" in err


def test_a_class_that_a_given_split_lacks_is_named(prepare, own):
    for split, names in (("train", ("cat", "dog")), ("test", ("cat",))):
        for name in names:
            shutil.copytree(own / name, own.parent / "both" / split / name)
    _, stats, _, err = prepare(root="both")
    assert stats["counts"]["test"]["dog"] == 0
    assert "1 class without a test image: dog" in err
    assert "without a val image" not in err


@pytest.mark.usefixtures("no_optional_readers")
def test_what_was_left_out_is_said_and_kept(prepare, own):
    for number in range(20):
        (own / "dog" / f"{number}.HEIC").write_bytes(b"no reader looks at this")
        (own / "dog" / f"{number}.svg").write_bytes(b"<svg/>")
    (own / "cat" / "notes.txt").write_text("x")
    os.mkfifo(own / "cat" / "pipe")
    manifest, stats, _, err = prepare()
    assert len(manifest.labels) == 20
    counted = {each["kind"]: each["files"] for each in stats["left_out"]}
    assert counted == {".heic": 20, ".svg": 20, ".txt": 1, "other than files": 1}
    assert "20 .svg: there is no reader" in err
    assert "a named pipe, not a regular file (cat/pipe)" in err
    assert stats["unreadable"] == []


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        *(("ICO", "ico"), ("TGA", "tga"), ("QOI", "qoi"), ("PCX", "pcx"), ("SGI", "sgi")),
        *(("DDS", "dds"), ("ICNS", "icns"), ("DIB", "dib"), ("AVIF", "avif")),
    ],
)
def test_formats_with_a_decoder_are_read(prepare, own, kind, suffix):
    for number in range(10):
        square = picture(1, 100 + number, (32, 32))
        (own / "dog" / f"x{number}.{suffix}").write_bytes(encoded(square, kind))
    manifest, stats, _, _ = prepare()
    assert len(manifest.labels) == 30
    assert stats["left_out"] == stats["unreadable"] == []


def test_heic_is_read_where_its_reader_is_installed(prepare, own):
    pytest.importorskip("pillow_heif").register_heif_opener()
    for number in range(10):
        data = encoded(picture(1, 100 + number, (64, 64)), "HEIF")
        (own / "dog" / f"x{number}.heic").write_bytes(data)
    assert len(prepare()[0].labels) == 30


def test_broken_links_are_named(prepare, own):
    (own / "owl").mkdir()
    for number in range(200):
        (own / "owl" / f"{number}.jpg").write_bytes(jpeg(2, number))
    (own / "owl" / "gone.jpg").symlink_to("nowhere.jpg")
    (own / "owl" / "loop.jpg").symlink_to("loop.jpg")
    manifest, stats, _, err = prepare()
    assert len(manifest.labels) == 220
    assert {each["path"]: each["reason"] for each in stats["unreadable"]} == {
        "owl/gone.jpg": "a link that leads nowhere",
        "owl/loop.jpg": "a link that leads to itself",
    }
    assert "owl/gone.jpg: a link that leads nowhere" in err


def test_rare_classes_are_left_out_by_a_key_that_the_refusal_names(prepare, own, tmp_path):
    images(own, ("heron",), 1)
    with pytest.raises(UserError, match=r"'heron' \(1\).*dataset\.min_class_images=3"):
        prepare()
    assert not list((tmp_path / "data/prepared/folder").glob("*"))
    manifest, stats, out, err = prepare("dataset.min_class_images=3")
    assert manifest.class_names == ["cat", "dog"]
    assert "heron (1)" in err
    assert stats["left_out_classes"] == {"heron": 1}
    assert "classes: cat, dog" in out
    (own / "empty").mkdir()
    assert prepare("dataset.min_class_images=3")[1]["left_out_classes"] == {"empty": 0, "heron": 1}


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([9, 2, 2], "found 8, which leaves 1 of 3 classes; .*Each needs 3 different images"),
        ([5], "there is only one class, 'class 0'"),
        ([5, 0], "there is only one class, 'class 0'"),
        ([0, 0], "there is no image to train on .*'class 0': empty; 'class 1': empty"),
    ],
)
def test_a_refusal_of_too_few_images_gives_advice_that_helps(prepare, tmp_path, sizes, said):
    for label, size in enumerate(sizes):
        (tmp_path / "few" / f"class {label}").mkdir(parents=True)
        for number in range(size):
            path = tmp_path / "few" / f"class {label}" / f"{number}.jpg"
            path.write_bytes(jpeg(label, number))
    with pytest.raises(UserError, match=said):
        prepare("dataset.min_class_images=8", root="few")


@pytest.mark.parametrize("least", [10, 12])
def test_the_number_that_a_refusal_gives_counts_copies_once(prepare, tmp_path, least):
    for label, distinct in enumerate((10, 5, 1)):
        folder = tmp_path / "few" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(10):
            (folder / f"{number}.jpg").write_bytes(jpeg(label, number % distinct))
    with pytest.raises(UserError, match=rf"found {least}, .*largest has 10.*Set it to 5 or less"):
        prepare(f"dataset.min_class_images={least}", root="few")
    assert prepare("dataset.min_class_images=5", root="few")[1]["left_out_classes"] == {
        "class 2": 1
    }


def test_classes_of_very_different_size_are_said(prepare, own):
    assert "uneven" not in prepare()[3]
    (own / "owl").mkdir()
    for number in range(150):
        (own / "owl" / f"{number}.jpg").write_bytes(jpeg(2, number))
    err = prepare()[3]
    assert "the classes are uneven: owl has 120 images beside the test split, cat has 8" in err
    assert "for uneven classes, objective: mean_class and recipe.class_balance: weights" in err


def test_classes_that_look_alike_are_pointed_out(prepare, own):
    rows = [f"{path.relative_to(own)},{path.parent.name}" for path in sorted(own.rglob("*.*"))]
    names = ["caf\u00e9", "cafe\u0301", "DOG"]
    changed = [row.replace(",cat", f",{names[number % 2]}") for number, row in enumerate(rows)]
    changed[-5:] = [row.replace(",dog", ",DOG") for row in changed[-5:]]
    (own / "images.csv").write_text("\n".join(["path,label", *changed]))
    _, _, _, err = prepare(root="own/images.csv")
    assert "the classes 'cafe\u0301', 'caf\u00e9' look alike: are they one?" in err
    assert "the classes 'DOG', 'dog' look alike" in err


def test_unreadable_images_are_grouped_by_reason(prepare, own):
    for number, path in enumerate(sorted(own.rglob("*.jpg"))):
        path.write_bytes(b"" if number == 3 else b"%d" % number)
    with pytest.raises(UserError) as refused:
        prepare("dataset.max_unreadable=0.99")
    assert str(refused.value).splitlines() == [
        "folder: 20 of 20 images cannot be read:",
        "  cat/0.jpg, cat/1.jpg, cat/2.jpg and 16 more: not an image of a known format",
        "  cat/3.jpg: the file is empty",
    ]


def test_copies_are_counted_where_a_class_is_too_small(prepare, own):
    for path in (own / "cat").glob("*"):
        path.write_bytes(jpeg(0, 0))
    with pytest.raises(UserError, match=r"these have fewer: 'cat' \(1 in 10 files\)"):
        prepare()


def test_a_name_is_harmless_to_a_terminal(prepare, own):
    (own / "cat").rename(own / "c\x1b[31mat")
    (own / "dog" / "\x1b]0;x\x07.svg").write_text("x")
    _, _, out, err = prepare()
    assert "\x1b" not in out + err
    assert r"c\x1b[31mat" in out


def shas(manifest):
    """Splits of each content."""
    splits = {}
    for sha256, split in zip(manifest.column("sha256"), manifest.column("split"), strict=True):
        splits.setdefault(sha256, []).append(split)
    return splits


@pytest.mark.parametrize("seed", range(3))
def test_identical_files_fall_into_one_split(prepare, tmp_path, seed):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(60):
            target = tmp_path / "own" / name / f"{number * 37 % 60:03d}.jpg"
            target.write_bytes(jpeg(label, number % 20))
    manifest, stats, _, err = prepare(f"dataset.split_seed={seed}")
    assert len(manifest.labels) == 120
    assert all(len(set(splits)) == 1 for splits in shas(manifest).values())
    assert stats["totals"] == {"train": 78, "val": 18, "test": 24}
    assert stats["duplicates"] == []
    assert "leaked" not in err


def test_an_image_of_many_copies_does_not_swallow_a_split(prepare, own):
    for number in range(20):
        (own / "dog" / f"same{number}.jpg").write_bytes(jpeg(1, 99))
    stats = prepare()[1]
    assert stats["counts"]["train"]["dog"] >= 20
    assert stats["counts"]["val"]["dog"] >= 1


def test_one_image_under_two_labels_is_reported_with_both(prepare, own):
    for number in range(3):
        shutil.copy(own / "cat" / f"{number}.jpg", own / "dog" / f"copy{number}.jpg")
    manifest, stats, _, err = prepare()
    assert "3 images stand under two labels, as 6 files: " in err
    assert "cat/0.jpg, dog/copy0.jpg (cat, dog)" in err
    assert all(len(set(splits)) == 1 for splits in shas(manifest).values())
    for number, group in enumerate(sorted(stats["two_labels"], key=lambda each: each["paths"])):
        assert group["paths"] == [f"cat/{number}.jpg", f"dog/copy{number}.jpg"]
        assert group["class_names"] == ["cat", "dog"]


def test_a_leak_between_given_splits_is_counted_in_images_and_groups(prepare, own, tmp_path):
    for part in ("train", "test"):
        shutil.copytree(own, tmp_path / "given" / part)
    for path in sorted((tmp_path / "given/test").rglob("*.jpg")):
        if path.parent.name == "dog" or int(path.stem) > 3:
            path.write_bytes(jpeg(path.parent.name == "dog", 200 + int(path.stem)))
    shutil.copy(tmp_path / "given/train/cat/1.jpg", tmp_path / "given/train/cat/again.jpg")
    manifest, stats, _, err = prepare(root="given")
    assert "9 images in 4 groups of identical files stand in more than one split" in err
    assert len(stats["duplicates"]) == 4
    assert stats["totals"]["test"] == 20
    for other in ("train", "test"):
        assert not any({"val", other} <= set(splits) for splits in shas(manifest).values())


def test_a_test_split_of_copies_is_reported_and_not_refused(prepare, own, tmp_path):
    for part in ("train", "test"):
        shutil.copytree(own, tmp_path / "given" / part)
    assert "40 images in 20 groups of identical files" in prepare(root="given")[3]


def test_repeated_rows_count_once_in_drawn_splits(prepare, own):
    rows = [f"{name}/{n}.jpg,{name}" for name in ("cat", "dog") for n in range(10)]
    (own / "list.csv").write_text("\n".join(["path,label", *rows * 3]))
    manifest, stats, _, err = prepare()
    assert len(manifest.labels) == 20
    assert stats["repeated_rows"] == 40
    assert "40 rows repeat" in err


def test_repeated_rows_of_given_splits_are_kept_and_counted(prepare, own):
    rows = [("train", 0), ("train", 1), ("train", 1), ("val", 2), ("test", 3), ("test", 3)]
    lines = [f"{name}/{n}.jpg,{name},{split}" for split, n in rows for name in ("cat", "dog")]
    (own / "list.csv").write_text("\n".join(["path,label,split", *lines, lines[-1]]))
    manifest, stats, _, err = prepare()
    assert stats["totals"] == {"train": 6, "val": 2, "test": 5}
    assert stats["repeated_kept"] == {"train": 2, "val": 0, "test": 3}
    assert "the given splits keep their repeated rows (2 in train, 3 in test)" in err
    assert len(manifest.rows(["test"])) == 5


def test_a_link_out_of_the_folder_shows_nothing_but_pixels(prepare, own, tmp_path):
    (tmp_path / "secret.txt").write_text("s3cret words")
    (tmp_path / "elsewhere.png").write_bytes(encoded(picture(0, 500), "PNG"))
    (own / "cat" / "link.jpg").symlink_to(tmp_path / "secret.txt")
    (own / "cat" / "photo.png").symlink_to(tmp_path / "elsewhere.png")
    manifest, stats, out, err = prepare("dataset.max_unreadable=0.5")
    assert "cat/photo.png" in manifest.column("path")
    assert [each["path"] for each in stats["unreadable"]] == ["cat/link.jpg"]
    assert "s3cret" not in json.dumps(stats) + out + err


def test_a_small_class_whose_held_out_images_are_broken_is_split_without_them(prepare, own):
    """heron has eight images; whichever would be held out, readable ones take their place."""
    (own / "heron").mkdir()
    for number in range(8):
        (own / "heron" / f"{number}.jpg").write_bytes(jpeg(2, number))
    manifest, _, _, _ = prepare()
    paths, labels = manifest.column("path"), manifest.column("class_name")
    held = [
        paths[row]
        for split in ("val", "test")
        for row in manifest.rows([split])
        if labels[row] == "heron"
    ]
    for path in held:
        (own / path).write_bytes(b"")
    manifest, stats, _, err = prepare("dataset.max_unreadable=0.5")
    assert {row["path"] for row in stats["unreadable"]} == set(held)
    assert sum(stats["counts"][split]["heron"] for split in stats["counts"]) == 8 - len(held)
    assert all(stats["counts"][split]["heron"] for split in ("train", "val", "test"))
    assert f"{len(held)} images left out" in err


@pytest.mark.parametrize(
    ("columns", "rows", "fault"),
    [
        ("image,class", [("cat/1.jpg", "small"), ("cat/2.jpg", "large")], "classes"),
        (
            "image,class,set",
            [("cat/1.jpg", "cat", "test"), ("dog/1.jpg", "dog", "train")],
            "splits",
        ),
    ],
)
def test_a_table_that_contradicts_the_folders_beside_it_is_refused(
    prepare, own, columns, rows, fault
):
    (own / "notes.csv").write_text("\n".join([columns, *map(",".join, rows)]))
    said = f"the table notes.csv give the same images different {fault}"
    with pytest.raises(UserError, match=said):
        prepare()
    prepare("dataset.class_level=1")


def test_a_table_that_says_the_same_as_the_folders_changes_nothing(prepare, own):
    (own / "notes.csv").write_text("image,target\ncat/1.jpg,0\ncat/2.jpg,0\ndog/1.jpg,1\n")
    manifest, _, _, _ = prepare()
    assert manifest.class_names == ["cat", "dog"]
    assert len(manifest.labels) == len(list(own.glob("*/*.jpg")))


def deep(own, most):
    ramp = np.linspace(0, most, 48 * 40).astype(np.uint16).reshape(40, 48)
    for label, name in enumerate(("cat", "dog")):
        for number in range(10):
            data = encoded(Image.fromarray(np.roll(ramp, 100 * label + number)), "PNG")
            (own / name / f"{number}.jpg").unlink()
            (own / name / f"{number}.png").write_bytes(data)


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_images_that_fill_a_part_of_their_range(prepare, own, tmp_path, bits):
    most = 2**bits - 1
    deep(own, most)
    _, stats, _, err = prepare()
    assert "20 images of 16 bits have a maximum below an eighth of their scale" in err
    assert f"set dataset.white={most}" in err
    assert (stats["dim"]["images"], stats["dim"]["maximum"]) == (20, most)
    manifest, stats, _, err = prepare(f"dataset.white={most}")
    store = PixelStore(tmp_path / "data/prepared/folder" / PIXELS, manifest)
    assert {int(store.image(row).max()) for row in range(20)} == {255}
    assert stats["dim"] is None
    assert "16 bits" not in err
    assert prepare("dataset.white=65535")[1]["dim"] is None


def test_deep_images_that_fill_their_range_are_not_asked_about(prepare, own):
    deep(own, 40_000)
    _, stats, _, err = prepare()
    assert stats["dim"] is None
    assert "16 bits" not in err


def test_nothing_is_written_where_it_is_refused(prepare, own, tmp_path):
    shutil.copytree(own, own / "fox" / "deeper")
    for name in ("cat", "dog"):
        shutil.rmtree(own / name)
    with pytest.raises(UserError, match="only one class, 'fox'"):
        prepare()
    into = tmp_path / "data/prepared/folder"
    assert not (into / MANIFEST).exists()
    assert not (into / PIXELS).exists()


def test_a_table_may_lie_in_the_folder_where_the_program_works(prepare, own, tmp_path):
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in own.rglob("*.*")]
    (tmp_path / "images.csv").write_text("\n".join(["path,label", *rows]))
    prepare(root="images.csv")
    assert (tmp_path / "data/prepared/folder" / MANIFEST).exists()


def test_a_folder_that_changes_while_it_is_read_is_refused(prepare, own, tmp_path, monkeypatch):
    def slow_disk(*arguments, **options):
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        Image.new("RGB", (40, 40)).save(own / "late.png")
        return write_store(*arguments, **options)

    monkeypatch.setattr("pipeline.prepare.write_store", slow_disk)
    with pytest.raises(UserError, match=r"changed while they were read\. Run the same command"):
        prepare()
    assert not (tmp_path / "data/prepared/folder" / MANIFEST).exists()
    (own / "late.png").unlink()
    prepare()
