"""The example.py of a model folder: its own environment, the same pixels and the same answers."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.decoding import Decoding, decode
from pipeline.deployment import predictor
from pipeline.deployment.example import Classifier
from pipeline.training.augment import centre_crop
from tests.support import bare_environment
from tests.support.miniatures import encoded, picture


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has onnxruntime, numpy and Pillow, and nothing of this project."""
    folder = tmp_path_factory.mktemp("bare")
    return bare_environment.make(folder, "onnxruntime", "numpy", "pillow")


def test_runs_with_onnxruntime_numpy_and_pillow_alone(
    model: Path, python: Path, tmp_path: Path
) -> None:
    photo, odd = tmp_path / "photo.jpg", tmp_path / "=1\x1b[31m.png"
    photo.write_bytes(encoded(picture(0, 0, (200, 120))))
    picture(1, 1, (40, 90)).convert("RGBA").save(odd)
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [python, model / "example.py", photo, odd],
        cwd=tmp_path, env=bare, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    opened = predictor.load(model)
    images = np.stack([opened.description.image(path.read_bytes()) for path in (photo, odd)])
    shares = opened.probabilities(images)
    lines = [
        f"{str(path)!a}: {opened.description.classes[row.argmax()]!a} {row.max():.4f}"
        for path, row in zip((photo, odd), shares, strict=True)
    ]
    assert done.stdout.splitlines() == lines
    code = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('pipeline'))"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env=bare, capture_output=True)
    assert done.stdout == b"None None\n"


@pytest.mark.parametrize("resize", ["antialias", "opencv"])
@pytest.mark.parametrize("cut", [0, 20])
def test_sees_the_pixels_that_evaluate_saw(
    model: Path, tmp_path: Path, resize: str, cut: int
) -> None:
    classifier = Classifier(model / "model.onnx")
    side = None if resize == "opencv" else 48
    decoding = {"side": side, "scaled": True, "crop_bottom": cut}
    classifier.facts |= {"resize": resize, "decoding": decoding}
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera stood upright
    images = {
        "large.jpg": encoded(picture(0, 0, (410, 303))),
        "turned.jpg": encoded(picture(1, 1, (400, 300)), exif=turned),
        "small.png": encoded(picture(2, 2, (20, 33)), "PNG"),
        "exact.png": encoded(picture(2, 3, (40, 60)), "PNG"),
        "clear.png": encoded(picture(0, 4, (90, 70)).convert("LA"), "PNG"),
        "palette.gif": encoded(picture(0, 4, (90, 70)), "GIF"),
    }
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
        stored = decode(data, Decoding(side=side, crop_bottom=cut))
        expected = centre_crop(stored, 40, 32, resize)  # type: ignore[arg-type]
        np.testing.assert_array_equal(classifier.prepare(tmp_path / name), expected, name)


def test_deep_images_are_refused(model: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 4095, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match="more than 8 bits per channel"):
        Classifier(model / "model.onnx").prepare(tmp_path / "deep.png")
