"""The worked example of large_scale/: two small real folders and two starts, fixed and grid."""

import csv
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

from tests.support.stages import copy_project, environment

MODELS = (
    ("small", "resnet10t", "ImageNet stand-in"),
    ("large", "resnet14t", "Large-scale stand-in"),
)
"""Small networks from a random start: the weights need a download, the pipeline does not."""


def digits(folder):
    found = load_digits()
    for label in range(3):
        (folder / str(label)).mkdir(parents=True)
        for number, image in enumerate(found.images[found.target == label][:15]):
            pixels = Image.fromarray((image * 15).astype(np.uint8)).resize((32, 32))
            pixels.save(folder / str(label) / f"{number}.png")


def drawings(folder):
    """Circles and squares of many places and colours."""
    rng = np.random.default_rng(0)
    for shape in ("circle", "square"):
        (folder / shape).mkdir(parents=True)
        for number in range(15):
            image = Image.new("RGB", (40, 40), tuple(rng.integers(0, 100, 3).tolist()))
            left, top = rng.integers(2, 15, 2).tolist()
            draw = ImageDraw.Draw(image)
            paint = draw.ellipse if shape == "circle" else draw.rectangle
            paint((left, top, left + 20, top + 20), fill=tuple(rng.integers(150, 255, 3).tolist()))
            image.save(folder / shape / f"{number}.jpg")


@pytest.mark.slow
def test_two_folders_from_two_sets_of_weights(tmp_path):
    copy = tmp_path / "copy"
    copy_project(copy, "large_scale")
    digits(tmp_path / "my digits")
    drawings(tmp_path / "dessins é,=")
    plain = yaml.safe_load((copy / "conf/model/resnet50_vd_random.yaml").read_text())
    for model, arch, title in MODELS:
        text = yaml.safe_dump(plain | {"name": model, "title": title, "arch": arch})
        (copy / "conf" / "model" / f"{model}.yaml").write_text(text)
    params = copy / "large_scale" / "params.yaml"
    values = yaml.safe_load(params.read_text())
    values |= {
        "folders": {"numbers": "../my digits", "shapes": str(tmp_path / "dessins é,=")},
        "datasets": ["numbers", "shapes"],
        "models": [name for name, *_ in MODELS],
        "recipe": {"epochs": 1, "batch_size": 8, "image_size": 32, "resize_size": 32},
        "evaluate": {"seeds": [0]},
        "machine": {"threads": 1, "device": "cpu"},
    }
    values["space"] |= {"lr": [0.01, 0.001], "l2_decay": [0.0001], "mixup": [False]}
    values["space"] |= {"label_smoothing": [False]}
    params.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False))

    def dvc(*words):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=copy,
            env=environment(copy),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dvc("init", "--no-scm", "-q")
    dvc("repro", "large_scale/dvc.yaml")
    assert "up to date" in dvc("status")

    with (copy / "large_scale/report/tables/weights.csv").open(encoding="utf-8") as file:
        rows = {row["dataset"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"numbers", "shapes"}
    assert (rows["numbers"]["classes"], rows["shapes"]["classes"]) == ("3", "2")
    assert [rows["shapes"][split] for split in ("train", "val", "test")] == ["19", "5", "6"]
    page = (copy / "large_scale/report/report.md").read_text(encoding="utf-8")
    assert "Two sets of weights" in page
    assert "Large-scale stand-in" in page

    (tmp_path / "my digits" / "0" / "0.png").unlink()
    stale = dvc("status")
    assert "prepare@numbers" in stale
    assert "prepare@shapes" not in stale
