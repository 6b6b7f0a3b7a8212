"""docs/extending.md, followed to the letter: each section in a copy of the project.

The quickstart of the copy is smaller: a tiny network, 60 images, one epoch.
"""

import csv
import io
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.stages import copy_project, environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
SMALLER = {
    "max_train_images: 320": "max_train_images: 60",
    "max_val_images: 200": "max_val_images: 40",
    "model: {}": "model: {arch: test_resnet}",
    "recipe: {}": "recipe: {epochs: 1, batch_size: 16}",
    "lr: [0.3, 0.1, 0.03]": "lr: [0.3, 0.03]",
    "label_smoothing: [false, true]": "label_smoothing: [false]",
    "seeds: [0, 1, 2]": "seeds: [0]",
}
pytestmark = pytest.mark.slow


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    copy_project(tmp_path, "params.yaml", "quickstart/dvc.yaml", "quickstart/params.yaml")
    params = tmp_path / "quickstart" / "params.yaml"
    text = params.read_text()
    for old, new in SMALLER.items():
        assert old in text
        text = text.replace(old, new)
    params.write_text(text)
    return tmp_path


def follow(section: str, folder: Path) -> set[str]:
    """Do what the section says in ``folder``; return the files it wrote or changed."""
    [text] = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE, re.S | re.M)
    changed = set()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M):
        if language == "diff":
            apply(block, folder)
            changed |= set(re.findall(r"^\+\+\+ b/(.*)$", block, re.M))
        elif language:
            name, content = re.fullmatch(r"# (\S+)\n(.*)", block, re.S).groups()  # type: ignore[union-attr]
            assert not (folder / name).exists()
            (folder / name).write_text(content)
            changed.add(name)
        else:
            run(["bash", "-ec", block], folder)
    return changed


def apply(diff: str, folder: Path) -> None:
    run(["git", "apply", "--recount", "--unidiff-zero", "-"], folder, diff)


def run(command: list[str], folder: Path, text: str = "") -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_dataset(copy: Path) -> None:
    archive = copy / "data" / "raw" / "shapes" / "shapes.tar.gz"
    archive.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with tarfile.open(archive, "w:gz") as tar:
        for split, images in (("train", 20), ("test", 5)):
            names = [
                f"{kind}/{split}{i}.png" for kind in ("circle", "square") for i in range(images)
            ]
            for name in names:
                put(tar, name, drawn(rng))
            put(tar, f"{split}.txt", "\n".join(names).encode())
    follow("A dataset", copy)
    stats = (copy / "data" / "prepared" / "shapes" / "stats.json").read_text()
    assert '"circle"' in stats


def drawn(rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(file, "png")
    return file.getvalue()


def put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def test_a_model(copy: Path) -> None:
    follow("A model", copy)
    [trial] = table(copy / "quickstart/results/digits/resnet18_random/fixed/trials.csv")
    assert trial["status"] == "finished"


def test_a_strategy(copy: Path) -> None:
    follow("A strategy", copy)
    trials = table(copy / "quickstart/results/digits/resnet50_vd_random/rates/trials.csv")
    assert [trial["lr"] for trial in trials] == ["0.3", "0.03"]


def test_a_hyperparameter_that_exists_nowhere_touches_four_files_at_most(copy: Path) -> None:
    """Its column is in trials.csv and in the report, and its value in the numbers and the keys."""
    known = (ROOT / "pipeline" / "settings" / "point.py").read_text()
    assert "dropout" not in known
    changed = follow("A hyperparameter", copy)
    assert len(changed - {"pipeline/training/classifier.py"}) <= 4
    cell = copy / "quickstart/results/digits/resnet50_vd_random/bayes"
    trials = table(cell / "trials.csv")
    others = ("lr", "l2_decay", "label_smoothing", "mixup")
    pairs = [
        (one, other)
        for one in trials
        for other in trials
        if all(one[name] == other[name] for name in others)
        and (one["dropout"], other["dropout"]) == ("0.0", "0.5")
    ]
    assert pairs
    for one, other in pairs:
        assert one["key"] != other["key"]
        assert one["train_loss"] != other["train_loss"]
    assert "dropout:" in (cell / "best.yaml").read_text()
    report = copy / "quickstart" / "report"
    assert "Dropout" in (report / "report.html").read_text()
    [row] = table(report / "tables" / "cells.csv")
    assert row["dropout"] in ("0.0", "0.5")


def test_a_chart(copy: Path) -> None:
    follow("A chart", copy)
    figures = copy / "quickstart" / "report" / "figures"
    assert list(figures.glob("digits-*-loss.svg"))
