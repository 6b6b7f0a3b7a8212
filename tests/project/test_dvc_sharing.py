"""What DVC shares between clones, and what it says of a change: one cell, run for real."""

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from tests.support.small_project import PARAMS
from tests.support.stages import BENCHMARK, copy_project, environment
from tests.support.waiting import until

CELL = Path("results/digits/resnet50_vd_random/bayes")

pytestmark = pytest.mark.slow


def run(folder, *command):
    """A command in a clone, with its own code; its output."""
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def dvc(folder, *words):
    return run(folder, sys.executable, "-m", "dvc", *words)


def ended(status):
    """Whether both tasks of a queue have ended, by what `dvc queue status` prints."""
    return status.count("Success") + status.count("Failed") == 2


def commit(folder, message):
    run(folder, "git", "add", "--all")
    run(folder, "git", "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", message)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A git repository whose one cell has been tuned, evaluated, reported and pushed."""
    base = tmp_path_factory.mktemp("sharing")
    folder = base / "clone"
    copy_project(folder, *BENCHMARK, ".gitignore")
    params = yaml.safe_dump(
        PARAMS | {"strategies": ["bayes"], "evaluate": {"seeds": [0]}}, sort_keys=False
    )
    (folder / "params.yaml").write_text(params)
    run(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    dvc(folder, "remote", "add", "-q", "--default", "folder", str(base / "remote"))
    dvc(folder, "repro", "-q")
    commit(folder, "a cell")
    dvc(folder, "push", "-q")
    return folder


def test_another_clone_pulls_results_model_and_report_and_runs_nothing(finished, tmp_path):
    other = tmp_path / "other"
    run(finished, "git", "clone", "-q", str(finished), str(other))
    assert not (other / "results").exists()
    dvc(other, "pull", "-q")
    assert "up to date" in dvc(other, "repro", "--allow-missing")
    assert not (other / "runs").exists(), "nothing ran"
    for name in (
        CELL / "trials.csv",
        CELL / "final.json",
        CELL / "model" / "model.onnx",
        CELL / "model" / "model.safetensors",
        Path("report/report.html"),
        Path("report/report.md"),
    ):
        assert (other / name).read_bytes() == (finished / name).read_bytes()


def test_metrics_say_what_the_results_say(finished):
    final = json.loads((finished / CELL / "final.json").read_text())
    shown = json.loads(dvc(finished, "metrics", "show", "--json"))
    (metrics,) = shown[""]["data"].values()
    found = metrics["data"]["digits"]["bayes"]
    assert found["test_top1"] == final["top1_mean"]
    assert found["trials"] == 3


def test_queued_experiments_use_the_journal_and_data_of_their_repository(finished):
    client = MlflowClient(f"sqlite:///{finished / 'runs' / 'mlflow.db'}")

    def runs():
        experiment = client.get_experiment_by_name("small")
        return client.search_runs([experiment.experiment_id])

    def parents():
        return {run.info.run_id for run in runs() if "sweep.fingerprint" in run.data.tags}

    prepared = finished / "data" / "prepared" / "digits"
    before = {path: path.stat().st_mtime_ns for path in prepared.iterdir()}
    earlier = parents()
    for name, change in (("fewer", "search.bayes.n_trials=2"), ("lower", "lr=0.03")):
        dvc(finished, "exp", "run", "-q", "--queue", "--name", name, "-S", change)
    dvc(finished, "queue", "start", "-j", "2")

    # Not until none is queued or running: on its way from one to the other a task is neither.
    def status():
        return dvc(finished, "queue", "status")

    until(lambda: ended(status()), status, pause=3)
    assert status().count("Success") == 2, status() + dvc(finished, "queue", "logs", "lower")

    assert {path: path.stat().st_mtime_ns for path in prepared.iterdir()} == before
    assert len(parents()) == len(earlier) + 2
    keys = Counter(run.data.tags.get("trial.key") for run in runs())
    del keys[None]
    assert set(keys.values()) == {1}, "a trial was trained twice"
    for run in runs():
        assert run.info.status == "FINISHED"
        assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(finished / "runs")
        if "trial.key" in run.data.tags:
            names = {each.path for each in client.list_artifacts(run.info.run_id)}
            assert "result.json" in names
    shown = dvc(finished, "exp", "show", "--csv")
    assert {row["Experiment"] for row in csv.DictReader(io.StringIO(shown))} >= {"fewer", "lower"}


def test_an_experiment_changes_one_value_and_the_diffs_name_it(finished):
    dvc(finished, "exp", "run", "-q", "-S", "search.bayes.n_trials=2")
    changed = json.loads(dvc(finished, "params", "diff", "--json"))
    assert changed == {"params.yaml": {"search.bayes.n_trials": {"old": 3, "new": 2, "diff": -1}}}
    (metrics,) = json.loads(dvc(finished, "metrics", "diff", "--all", "--json")).values()
    cell = "digits.bayes"
    assert metrics[f"{cell}.trials"] == {"old": 3, "new": 2, "diff": -1}
    final = json.loads((finished / CELL / "final.json").read_text())
    assert metrics[f"{cell}.test_top1"]["new"] == final["top1_mean"]
    with (finished / CELL / "runs.csv").open() as file:
        assert [row["replayed"] for row in csv.DictReader(file)] == ["true", "true"]
