"""The registry: one version a final trial, the champion moved on the same data only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock
from urllib.parse import urlparse

import numpy as np
import pytest

from pipeline.deployment.registry import Registry, Version, beats
from pipeline.trials.journal import KEY_TAG, Journal

if TYPE_CHECKING:
    from tests.support.small_project import SmallProject


def version(objective: float | None, data: str | None = "a", by: str = "top1") -> Version:
    return Version(number="1", key="key", objective=objective, data_digest=data, chosen_by=by)


def test_only_a_better_figure_on_the_same_data_beats_the_champion() -> None:
    assert beats(version(0.9), version(0.8))
    assert not beats(version(0.8), version(0.8))
    assert not beats(version(0.7), version(0.8))
    assert not beats(version(0.9, "b"), version(0.8, "a"))
    assert not beats(version(0.9, by="mean_class"), version(0.8))
    assert not beats(version(0.9), version(None, None)), "what a person registered stays"


@pytest.fixture
def registry(tmp_path: Path, empty_journal: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "runs").mkdir()
    shutil.copy(empty_journal, tmp_path / "runs" / "mlflow.db")
    return Registry(Journal.open("one: two", "a description"), "vdtransfer-one: two's-花")


def add(registry: Registry, journal: Journal, key: str, objective: float, data: str) -> Version:
    version = registry.find(key)
    if version is None:
        run_id = journal.start(key, parent_id=None, params={}, tags={})
        made = journal.client.create_logged_model(journal.experiment_id, key, run_id)
        facts = {"objective": objective, "chosen_by": "top1", "data_digest": data}
        tags = {KEY_TAG: key, "lr": 0.1, **facts}
        version = registry.register(str(made.model_id), run_id, tags, "d")
    assert registry.settle(version) == registry.champion()
    return version


def test_registers_a_final_trial_once_and_crowns_the_better_one(registry: Registry) -> None:
    journal = Journal.open("one: two")
    first = add(registry, journal, "k1", 0.8, "a")
    assert registry.champion() == first
    assert add(registry, journal, "k1", 0.8, "a") == first
    worse = add(registry, journal, "k2", 0.7, "a")
    assert registry.champion() == first
    better = add(registry, journal, "k3", 0.9, "a")
    assert registry.champion() == better
    elsewhere = add(registry, journal, "k4", 0.99, "b")
    assert registry.champion() == better
    assert {each.key for each in registry.versions()} == {"k1", "k2", "k3", "k4"}
    assert len({first.number, worse.number, better.number, elsewhere.number}) == 4


def test_a_version_counts_under_the_objective_of_its_last_evaluation(registry: Registry) -> None:
    journal = Journal.open("one: two")
    first = add(registry, journal, "k1", 0.8, "a")
    other = add(registry, journal, "k2", 0.7, "a")
    registry.settle(registry.restate(first, {"objective": 0.3, "chosen_by": "mean_class"}))
    assert registry.settle(other) == registry.find("k1"), "it was chosen by another objective"
    other = registry.restate(other, {"objective": 0.4, "chosen_by": "mean_class"})
    assert registry.settle(other) == other == registry.champion()


def test_a_version_whose_registration_was_killed_is_linked_to_its_model_the_next_time(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open("one: two")
    with monkeypatch.context() as patch:
        patch.setattr(registry.client, "set_logged_model_tags", Mock(side_effect=SystemExit))
        with pytest.raises(SystemExit):
            add(registry, journal, "k1", 0.8, "a")
    version = add(registry, journal, "k1", 0.8, "a")
    assert registry.champion() == version
    assert version.model_id is not None
    model = registry.client.get_logged_model(version.model_id)
    (link,) = json.loads(model.tags["mlflow.modelVersions"])
    assert link == {"name": registry.name, "version": int(version.number)}
    registry.client.delete_logged_model(version.model_id)
    assert add(registry, journal, "k1", 0.8, "a") == version


def test_the_description_of_an_experiment_is_kept_up_to_date(registry: Registry) -> None:
    journal = Journal.open("one: two", "another")
    experiment = journal.client.get_experiment(journal.experiment_id)
    assert experiment.tags["mlflow.note.content"] == "another"
    Journal.open("one: two")
    experiment = journal.client.get_experiment(journal.experiment_id)
    assert experiment.tags["mlflow.note.content"] == "another"


def written(model: Path) -> dict[str, bytes]:
    """The files of a model folder but its card, which holds times."""
    return {each.name: each.read_bytes() for each in model.iterdir() if each.name != "README.md"}


@pytest.mark.slow
def test_evaluate_hands_over_a_model_that_everyone_can_use(project: SmallProject) -> None:
    """Tune, evaluate twice; predict, ONNX, the registry and ``mlflow models predict`` agree."""
    from pipeline.deployment import predictor

    project.tune("strategy=fixed")
    project.evaluate("strategy=fixed")
    cell = project.folder / "results" / "digits" / "resnet50_vd_random" / "fixed"
    journal = Journal.open("small")
    registry = Registry(journal, "vdtransfer-small-digits")
    (made,) = registry.versions()
    assert len(journal.client.search_logged_models([journal.experiment_id])) == 1
    assert registry.champion() == made
    before = written(cell / "model")
    assert set(before) == {"model.safetensors", "model.json", "model.onnx", "example.py"}
    shutil.rmtree(cell / "model")
    project.evaluate("strategy=fixed")
    assert registry.versions() == [made], "a rerun registers nothing"
    assert written(cell / "model") == before

    run = next(
        each
        for each in journal.search("attributes.status = 'FINISHED'")
        if each.data.tags.get("trial.key") == made.key
    )
    (used,) = run.inputs.dataset_inputs
    assert made.data_digest is not None
    assert made.data_digest.startswith(used.dataset.digest)
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "train+val")]

    (output,) = run.outputs.model_outputs
    model = journal.client.get_logged_model(output.model_id)
    assert (model.name, model.status.value) == ("digits-resnet50_vd_random", "READY")
    assert model.params["lr"] == run.data.params["lr"]
    (link,) = json.loads(model.tags["mlflow.modelVersions"])
    assert link == {"name": "vdtransfer-small-digits", "version": 1}
    assert "objective" not in run.data.metrics, "the test split is nothing to choose by"
    losses = journal.client.get_metric_history(run.info.run_id, "train/loss")
    assert [each.step for each in losses] == list(range(1, len(losses) + 1)) != []
    logged = Path(urlparse(model.artifact_location).path)
    pins = (logged / "requirements.txt").read_text().split()
    assert {pin.split("==")[0] for pin in pins} >= {"mlflow", "onnx", "onnxruntime", "numpy"}
    example = json.loads((logged / "serving_input_example.json").read_text())
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{project.folder / 'runs' / 'mlflow.db'}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    served = subprocess.run(
        [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local",
         "-m", "models:/vdtransfer-small-digits@champion", "-t", "json",
         "-i", str(logged / "serving_input_example.json"), "-o", "out.json"],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert served.returncode == 0, served.stderr
    answer = json.loads((project.folder / "out.json").read_text())["predictions"]
    images = np.asarray(example["inputs"]["images"], np.uint8).transpose(0, 2, 3, 1)
    expected = predictor.load(cell / "model").probabilities(images)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-4)

    journal.client.delete_registered_model(registry.name)  # as if killed before it registered
    project.evaluate("strategy=fixed")
    (again,) = journal.client.search_logged_models([journal.experiment_id])
    assert (again.status.value, again.model_id != model.model_id) == ("READY", True)
