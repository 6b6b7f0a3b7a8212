"""``python -m pipeline.predict``: what it prints, what it refuses, and that it sees as evaluate."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.base.statistics import wilson_interval
from pipeline.datasets.decoding import Decoding, decode
from pipeline.deployment import predictor
from pipeline.deployment.description import read
from pipeline.predict import main
from pipeline.training.augment import centre_crop
from tests.support.miniatures import jpeg, picture
from tests.support.packaged_model import CLASSES

ROOT = Path(__file__).parents[1]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images of different kinds and sizes, two files that are none, one hidden."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(jpeg(0, 0, (200, 120)))
    picture(1, 1, (40, 90)).convert("RGBA").save(folder / "deeper" / "b.png")
    picture(2, 2, (20, 20)).convert("L").save(folder / "c.bmp")
    (folder / "notes.txt").write_text("no image")
    (folder / "cut.jpg").write_bytes(jpeg(0, 0)[:300])
    (folder / ".hidden").write_text("not looked at")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    code = main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


def test_names_what_it_cannot_read_and_does_the_rest(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, errors = run(capsys, model, photos, photos / "gone.jpg", "--format", "json")
    assert code == 1
    cut, gone, notes = sorted(errors)
    assert cut.startswith(f"error: {photos}/cut.jpg: damaged: ")
    assert gone == f"error: {photos}/gone.jpg: cannot be read: No such file or directory"
    assert notes == f"error: {photos}/notes.txt: not an image of a known format"
    rows = json.loads(out)
    names = [Path(row["path"]).name for row in rows]
    assert names == ["a.jpg", "c.bmp", "b.png"]
    for row in rows:
        shares = [each["probability"] for each in row["predictions"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert {each["class"] for each in row["predictions"]} == set(CLASSES)


def test_csv_and_table_say_the_same(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = photos / "a.jpg"
    code, out, errors = run(capsys, model, image, "--format", "csv", "--top-k", 2)
    assert (code, errors) == (0, [])
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["rank"] for row in rows] == ["1", "2"]
    _, table, _ = run(capsys, model, image, "--top-k", 2)
    head, line = table.splitlines()
    assert head.split() == ["image", "class", "probability", "next"]
    shown = [f"{float(row['probability']):.4f}" for row in rows]
    assert line.split() == [str(image), rows[0]["class"], shown[0], rows[1]["class"], shown[1]]
    _, only, _ = run(capsys, model, image, "--top-k", 1)
    assert only.splitlines()[-1].split() == [str(image), rows[0]["class"], shown[0]]


def test_sees_the_same_pixels_as_prepare_and_evaluate(model: Path, photos: Path) -> None:
    """Shrunk to the store's side first; resizing at once would give other pixels."""
    found = read(model / "model.json")
    data = (photos / "a.jpg").read_bytes()
    stored = decode(data, Decoding(side=48))
    expected = centre_crop(stored, 40, 32)
    assert np.array_equal(found.image(data), expected)
    at_once = centre_crop(np.asarray(Image.open(photos / "a.jpg")), 40, 32)
    assert not np.array_equal(expected, at_once)


def test_folder_and_onnx_file_agree(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [
        json.loads(run(capsys, path, photos / "a.jpg", photos / "c.bmp", "--format", "json")[1])
        for path in (model, model / "model.onnx")
    ]
    for one, other in zip(*shown, strict=True):
        for first, second in zip(one["predictions"], other["predictions"], strict=True):
            assert first["class"] == second["class"]
            assert first["probability"] == pytest.approx(second["probability"], abs=1e-4)


def test_the_processor_predicts_if_cuda_does_not_start(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def old(*_: object) -> None:
        raise RuntimeError("the driver is too old")

    expected = run(capsys, model, photos / "a.jpg")
    monkeypatch.setattr(predictor, "_DRIVER", photos)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", old)
    code, shown, errors = run(capsys, model, photos / "a.jpg")
    assert (code, shown) == expected[:2]
    assert errors[0] == (
        "warning: predicting on the processor, not on the accelerator: CUDA does not start: the "
        "driver is too old"
    )


def test_measures_accuracy_on_folders_of_classes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = tmp_path / "labelled"
    for label, name in enumerate(CLASSES[:2]):
        (labelled / name).mkdir(parents=True)
        for number in range(4 + label):
            (labelled / name / f"{number}.jpg").write_bytes(jpeg(label, number))
    (labelled / CLASSES[0] / "bad.jpg").write_bytes(b"bad")
    opened = predictor.load(model)
    correct = {}
    for label, name in enumerate(CLASSES[:2]):
        paths = sorted((labelled / name).glob("[0-9].jpg"))
        images = np.stack([opened.description.image(path.read_bytes()) for path in paths])
        correct[name] = int((opened.probabilities(images).argmax(1) == label).sum())

    code, out, errors = run(capsys, model, labelled, "--evaluate", "--format", "json")
    assert code == 1
    assert len(errors) == 1
    assert "bad.jpg" in errors[0]
    found = json.loads(out)
    interval = wilson_interval(sum(correct.values()), 9)
    assert (found["images"], found["correct"]) == (9, sum(correct.values()))
    assert (found["accuracy"], found["low"], found["high"]) == (
        interval.mean,
        interval.low,
        interval.high,
    )
    assert {row["class"]: row["correct"] for row in found["per_class"]} == correct
    (labelled / CLASSES[0] / "bad.jpg").unlink()
    (labelled / CLASSES[2]).mkdir()  # nothing to measure is nothing wrong
    (labelled / CLASSES[0] / "up").symlink_to(labelled)
    code, out, _ = run(capsys, model, labelled, "--evaluate")
    assert code == 0
    assert out.startswith(f"accuracy {interval.mean:.4f}   95 % interval {interval.low:.4f} to")


def test_links_are_followed_once(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "linked").symlink_to(photos / "deeper")
    (album / "loop").symlink_to(album)
    (album / "gone.png").symlink_to(tmp_path / "nowhere")
    code, out, errors = run(capsys, model, album, "--format", "json")
    assert [Path(row["path"]).name for row in json.loads(out)] == ["b.png"]
    assert (code, errors) == (
        1,
        [
            f"left out: {album}/loop: a link to a folder that is read already",
            f"error: {album}/gone.png: cannot be read: No such file or directory",
        ],
    )


def test_paths_that_cannot_be_opened_are_one_line_each(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(photos.parent / "pipe.png")
    long, inside = photos / f"{'a' * 300}.png", photos / "a.jpg" / "b.png"
    odd = photos / "line\nbreak\x1b[31m.png"
    given = (long, inside, odd, photos.parent / "pipe.png", photos / "a.jpg")
    code, out, errors = run(capsys, model, *given, "--format", "csv", "--top-k", 1)
    assert code == 1
    assert [row["path"] for row in csv.DictReader(io.StringIO(out))] == [str(photos / "a.jpg")]
    reasons = [each.rpartition(": ")[2] for each in errors]
    assert reasons == [
        "File name too long",
        "Not a directory",
        "No such file or directory",
        "a named pipe, not a regular file",
    ]
    assert r"line\nbreak\x1b[31m.png" in errors[2]


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux")
def test_a_closed_folder_is_no_smaller_test_set(model: Path, tmp_path: Path) -> None:
    labelled = tmp_path / "labelled"
    for label, name in enumerate(CLASSES[:2]):
        (labelled / name).mkdir(parents=True)
        (labelled / name / "0.jpg").write_bytes(jpeg(label, 0))
    (labelled / CLASSES[0]).chmod(0)
    without = "-dac_override,-dac_read_search"  # permissions count for root, too
    bare = ["setpriv", "--bounding-set", without, "--inh-caps", without] if not os.geteuid() else []
    done = subprocess.run(
        [
            *bare,
            sys.executable,
            "-m",
            "pipeline.predict",
            model / "model.onnx",
            labelled,
            "--evaluate",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    (labelled / CLASSES[0]).chmod(0o755)
    assert done.returncode == 1
    assert done.stderr == f"error: {labelled / CLASSES[0]}: cannot be read: Permission denied\n"
    assert "of 1" in done.stdout


def test_a_reader_that_leaves_is_no_error(model: Path, photos: Path) -> None:
    command = [sys.executable, "-m", "pipeline.predict", model / "model.onnx", "--format", "csv"]
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [*command, photos / "a.jpg"],
        cwd=ROOT,
        env=buffered,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, printed = process.communicate()
    assert (process.returncode, printed) == (-signal.SIGPIPE, b"")


def test_any_file_name_can_be_printed(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"bad\xff\n.jpg")
    (photos / name).write_bytes(jpeg(0, 0))
    _, out, _ = run(capsys, model, photos / name, "--format", "json")
    assert json.loads(out)[0]["path"] == str(photos / name)
    _, out, _ = run(capsys, model, photos / name)
    assert r"bad\udcff\n.jpg" in out


def test_refuses_folders_that_are_no_classes_of_the_model(model: Path, tmp_path: Path) -> None:
    (tmp_path / "wasp").mkdir()
    with pytest.raises(
        UserError, match=r"'wasp' is not a class of this model. Its 3 classes: ant, bee"
    ):
        main([str(model), str(tmp_path), "--evaluate"])


def test_an_empty_folder_is_one_clear_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, errors = run(capsys, model, tmp_path)
    assert (code, out) == (1, "")
    assert errors == [f"error: {tmp_path}: the folder holds no files"]
    with pytest.raises(UserError, match="no images in folders that are named after classes"):
        main([str(model), str(tmp_path), "--evaluate"])


def test_an_unsure_image_gets_no_class(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = tmp_path / "labelled" / CLASSES[0]
    labelled.mkdir(parents=True)
    for number in range(6):
        (labelled / f"{number}.jpg").write_bytes(jpeg(number % 3, number))
    _, out, _ = run(capsys, model, labelled, "--format", "json")
    highest = sorted(row["predictions"][0]["probability"] for row in json.loads(out))
    least = (highest[2] + highest[3]) / 2
    _, out, _ = run(capsys, model, labelled, "--format", "json", "--min-probability", least)
    answers = json.loads(out)
    assert sum(row["class"] is None for row in answers) == 3
    for row in answers:
        sure = row["predictions"][0]["probability"] >= least
        assert row["class"] == (row["predictions"][0]["class"] if sure else None)
    _, out, _ = run(capsys, model, labelled, "--min-probability", least)
    assert out.count("(unsure)") == 3
    _, out, _ = run(capsys, model, labelled, "--format", "csv", "--min-probability", least)
    firsts = [row for row in csv.DictReader(io.StringIO(out)) if row["rank"] == "1"]
    assert sorted(row["sure"] for row in firsts) == ["0"] * 3 + ["1"] * 3
    asked = (model, labelled.parent, "--evaluate", "--min-probability", least)
    _, out, _ = run(capsys, *asked, "--format", "json")
    measured = json.loads(out)
    assert (measured["images"], measured["unsure"]) == (3, 3)
    _, out, _ = run(capsys, *asked)
    assert "without a class, because it is not sure: 3 images" in out
    with pytest.raises(UserError, match="--min-probability: none of 6 images reaches 1"):
        main([str(model), str(labelled.parent), "--evaluate", "--min-probability", "1"])
    with pytest.raises(UserError, match=r"--min-probability: found 1\.5; allowed: 0 to 1"):
        main([str(model), str(labelled), "--min-probability", "1.5"])


def test_at_least_one_class_is_shown(model: Path) -> None:
    with pytest.raises(UserError, match="--top-k: found 0"):
        main([str(model), "x.jpg", "--top-k", "0"])


def test_help_has_a_text_for_every_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out.partition("positional arguments:")[2]
    options = ("--top-k TOP_K", "--min-probability P", r"--format \{.*\}", "--output FILE")
    for argument in ("MODEL", r"IMAGE\|FOLDER", *options, "--evaluate"):
        assert re.search(rf"^  {argument}\s{{2,}}\w+ \w+", printed, re.MULTILINE), argument
