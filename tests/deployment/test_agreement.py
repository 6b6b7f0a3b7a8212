"""One figure: the report, predict, ONNX and MLflow say the same of every test image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

import mlflow
import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import prepare
from pipeline.deployment.description import read
from pipeline.deployment.onnx_session import as_input
from pipeline.predict import main
from pipeline.trials.journal import Journal
from tests.support.miniatures import jpeg

if TYPE_CHECKING:
    from tests.support.small_project import SmallProject

CLASSES = ("=fly", "ant", "bee")
"""In the order of their labels."""
PER_CLASS = {"train": 12, "val": 6, "test": 14}


def insects(folder: Path) -> Path:
    """Images of three classes, a third of them showing another class's pattern."""
    for split, count in PER_CLASS.items():
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                shown = (label + (number % 3 == 0)) % len(CLASSES)
                place = folder / split / name / f"{number}.jpg"
                place.write_bytes(jpeg(shown, 100 * label + number, (90, 70)))
    return folder


@pytest.mark.slow
def test_every_way_to_the_model_gives_the_reported_answer_of_every_test_image(
    project: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model trained in half precision is measured and delivered in float32."""
    root = insects(project.folder / "insects")
    project.set(machine={"precision": "bf16", "threads": 1, "device": "cpu"})
    own = ["dataset=folder", "dataset.name=insects", f"dataset.root={root}", "strategy=fixed"]
    own.append("evaluate.onnx_with_preprocessing=true")
    prepare.run(project.compose(*own))
    project.tune(*own)
    project.evaluate(*own)
    cell = project.folder / "results" / "insects" / "resnet50_vd_random" / "fixed"
    model, final = cell / "model", json.loads((cell / "final.json").read_text())
    table = pq.read_table(cell / "predictions.parquet").to_pandas()
    table = table[table["seed"] == final["seeds"][0]]
    reported = {
        path: (CLASSES[label], share)
        for path, label, share in zip(
            table["path"], table["prediction"], table["probability"], strict=True
        )
    }
    assert len(reported) == len(CLASSES) * PER_CLASS["test"]
    right = sum(Path(path).parent.name == name for path, (name, _) in reported.items())
    assert 0 < right < len(reported)
    assert final["top1"][0] == pytest.approx(right / len(reported))
    confusion = np.array(final["confusion"])
    assert (confusion.trace(), confusion.sum()) == (right, len(reported))

    card = (model / "README.md").read_text()
    assert f"**{100 * right / len(reported):.2f} %** of 42 test images right" in card
    assert "| =fly | 14 |" in card

    capsys.readouterr()
    main([str(model), str(root / "test"), "--evaluate", "--format", "json"])
    measured = json.loads(capsys.readouterr().out)
    assert (measured["correct"], measured["images"]) == (right, len(reported))
    main([str(model), str(root / "test"), "--format", "json", "--top-k", "1"])
    shown = {row["path"]: row["predictions"][0] for row in json.loads(capsys.readouterr().out)}
    assert len(shown) == len(reported)

    paths = [root / path for path in reported]
    images = np.stack([read(model / "model.json").image(path.read_bytes()) for path in paths])
    journal = Journal.open("small")
    (logged,) = journal.client.search_logged_models([journal.experiment_id])
    served = mlflow.pyfunc.load_model(urlparse(logged.artifact_location).path)
    session = onnxruntime.InferenceSession(model / "model.onnx")
    (by_onnx,) = session.run(["probabilities"], {"images": as_input(images)})
    by_mlflow = served.predict({"images": as_input(images)})["probabilities"]
    whole = onnxruntime.InferenceSession(model / "model_with_preprocessing.onnx")
    for number, (path, (name, share)) in enumerate(reported.items()):
        one = shown[str(root / path)]
        assert (one["class"], one["probability"]) == (name, pytest.approx(share, abs=1e-5))
        (prepared,) = whole.run(["probabilities"], {"pixels": np.asarray(Image.open(root / path))})
        np.testing.assert_allclose(prepared[0], by_onnx[number], atol=0.05)
        for shares in (by_onnx[number], by_mlflow[number]):
            assert CLASSES[int(shares.argmax())] == name
            assert shares.max() == pytest.approx(share, abs=1e-5)
