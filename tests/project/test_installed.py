"""The way of a new user: wheels in a new environment, an empty folder, twenty pictures."""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image, ImageDraw

from pipeline import __version__

ROOT = Path(__file__).parents[2]
SOURCES = (
    *("pipeline", "conf", "published", "plugins", "params.yaml"),
    *("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"),
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The `vdtransfer` of an environment with our wheels; the packages they need are this one's."""
    base = tmp_path_factory.mktemp("installed")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
            shutil.copytree(ROOT / name, base / "source" / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, base / "source" / name)
    offline = ("--quiet", "--no-index", "--no-deps")
    sources = [base / "source", *(base / "source" / "plugins").iterdir()]
    run(
        *(sys.executable, "-m", "pip", "wheel", *offline, "--no-build-isolation"),
        *("--wheel-dir", base / "wheels", *sources),
    )
    venv.create(base / "venv", with_pip=False)
    [packages] = (base / "venv").glob("lib/python*/site-packages")
    # Of a folder that a .pth file names no .pth file is read: the checkout stays out of sight.
    (packages / "needed.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    wheels = (base / "wheels").glob("*.whl")
    python = base / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", *offline, "--force-reinstall", *wheels)
    return base / "venv" / "bin" / "vdtransfer"


def run(*command, folder=None):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "MLFLOW_TRACKING_URI", "VIRTUAL_ENV")
    }
    programs = os.pathsep.join([str(Path(command[0]).parent), environment.get("PATH", os.defpath)])
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment | {"OMP_NUM_THREADS": "1", "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def draw(folder):
    """Ten circles and ten squares."""
    for kind in ("circle", "square"):
        (folder / kind).mkdir(parents=True)
        for number in range(10):
            image = Image.new("RGB", (40, 40), (10 * number, 50, 90))
            paint = ImageDraw.Draw(image)
            shape = paint.ellipse if kind == "circle" else paint.rectangle
            shape((5, 5, 25 + number, 25 + number), fill=(200, 20 * number, 40))
            image.save(folder / kind / f"{number}.png")


def test_from_an_empty_folder_to_predictions(installed, tmp_path):
    images, here = tmp_path / "pictures", tmp_path / "empty"
    draw(images)
    here.mkdir()

    def vdtransfer(*words):
        return run(installed, *words, folder=here)

    shown = vdtransfer("--help")
    for command in ("init", "plan", "tune", "predict", "report", "weights", "ui"):
        assert f"\n  {command} " in shown
    assert list(here.iterdir()) == []
    (here / "pipeline.py").write_text("raise SystemExit('a file of the user was run')\n")

    # With a name that is not the folder's; tune, which takes none, goes by params.yaml.
    vdtransfer("init", images, "--model", "resnet50_vd_random", "--name", "shapes")
    params = here / "params.yaml"
    text = params.read_text()
    assert "# Where the images are, under the name of the project." in text
    values = yaml.safe_load(text)
    values["recipe"] = {"epochs": 1, "batch_size": 4, "image_size": 32, "resize_size": 32}
    values["model"] = {"arch": "resnet10t"}
    values["search"]["bayes"]["n_trials"] = 2
    values |= {"evaluate": {"seeds": [0]}, "machine": {"threads": 1, "device": "cpu"}}
    params.write_text(yaml.safe_dump(values, sort_keys=False))

    assert "in all: " in vdtransfer("plan", here)
    printed = vdtransfer("tune", images)
    assert "`dvc exp` needs Git" in printed
    # fixed and bayes may be equally good
    shown = re.search(r"Model +(results/shapes/resnet50_vd_random/(fixed|bayes)/model)\n", printed)
    assert shown, printed
    model = here / shown[1]
    assert (here / "report" / "report.html").is_file()
    predicted = vdtransfer("predict", model, images / "circle" / "0.png", "--format", "csv")
    assert predicted.startswith("path,rank,class,probability")
    stage = yaml.safe_load((here / "dvc.yaml").read_text())["stages"]["tune"]
    assert stage["cmd"].startswith("vdtransfer tune ")
    assert "vdtransfer.version" in stage["deps"]

    def prepare():
        """Run `dvc repro` by hand, here up to the first stage."""
        dvc = (installed.parent / "python", "-m", "dvc")
        return run(*dvc, "repro", "prepare@shapes", folder=here)

    assert "vdtransfer prepare" not in prepare()
    [package] = installed.parents[1].glob("lib/python*/site-packages/pipeline/__init__.py")
    package.write_text(package.read_text().replace(f'"{__version__}"', '"99.0"'))
    assert "> vdtransfer prepare" in prepare()
    assert (here / "vdtransfer.version").read_text() == "vdtransfer 99.0\n"
