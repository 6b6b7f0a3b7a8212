"""A project of one small cell: digits at 32 px, a tiny network, an epoch, four points."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.evaluate import evaluate
from pipeline.settings.compose import compose
from pipeline.settings.schema import Config
from pipeline.tune import tune
from tests.support import stages, warm_python

BUDGET = {"n_trials": 3, "batch_size": 1, "patience": None, "min_delta": 0.0}
PARAMS: dict[str, Any] = {
    "defaults": [
        {"paths": "default"},
        {"dataset": "digits"},
        {"model": "resnet50_vd_random"},
        {"recipe": "quickstart"},
        {"protocol": "heldout"},
        {"strategy": "fixed"},
        "_self_",
    ],
    "project": "small",
    "root": ".",
    "title": "A small project",
    "datasets": ["digits"],
    "models": ["resnet50_vd_random"],
    "strategies": ["fixed", "grid", "bayes"],
    "dataset": {"max_train_images": 60, "max_val_images": 40},
    "model": {"arch": "test_resnet"},
    "recipe": {"epochs": 1, "batch_size": 16},
    "lr": 0.3,
    "l2_decay": 0.0001,
    "label_smoothing": False,
    "mixup": False,
    "seed": 7,
    "objective": "top1",
    "space": {
        "lr": [0.3, 0.03],
        "l2_decay": [0.0001],
        "label_smoothing": [False],
        "mixup": [False, True],
    },
    "search": {"fixed": {}, "grid": {}, "bayes": dict(BUDGET), "random": dict(BUDGET)},
    "tune": {"allowed_failures": 0, "max_trial_seconds": None},
    "evaluate": {"seeds": [0, 1]},
    "machine": {"precision": "float32", "threads": 1, "device": "cpu", "data": "auto"},
}
KEY = "trial.key"
PARENT = "mlflow.parentRunId"


class SmallProject:
    """Its folder is the working directory; data lies prepared in it, the journal is empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set()

    def set(self, **changes: Any) -> None:
        """Write params.yaml anew, with top-level ``changes``."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(PARAMS | changes, sort_keys=False))

    def compose(self, *overrides: str) -> Config:
        return compose(Path(), list(overrides))

    def tune(self, *overrides: str) -> None:
        tune(Path(), list(overrides))

    def evaluate(self, *overrides: str) -> None:
        evaluate(self.compose(*overrides))

    def cell(self, strategy: str) -> Path:
        return self.folder / "results" / "digits" / "resnet50_vd_random" / strategy

    def table(self, strategy: str, name: str) -> list[dict[str, str]]:
        with (self.cell(strategy) / f"{name}.csv").open() as file:
            return list(csv.DictReader(file))

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder / 'runs' / 'mlflow.db'}")

    def runs(self) -> list[Run]:
        """Every run of the journal, oldest first."""
        experiment = self.client.get_experiment_by_name("small")
        if experiment is None:
            return []
        found = self.client.search_runs(
            [experiment.experiment_id], order_by=["attributes.start_time ASC"]
        )
        return list(found)

    def parents(self) -> list[Run]:
        return [run for run in self.runs() if "sweep.fingerprint" in run.data.tags]

    def trained(self) -> list[Run]:
        """The runs that stand for a training, finished or not."""
        return [run for run in self.runs() if KEY in run.data.tags]

    def children(self, parent: Run) -> list[Run]:
        return [run for run in self.runs() if run.data.tags.get(PARENT) == parent.info.run_id]

    def artifact(self, run: Run, name: str) -> str:
        return Path(self.client.download_artifacts(run.info.run_id, name)).read_text()

    def result(self, run: Run) -> dict[str, Any]:
        return json.loads(self.artifact(run, "result.json"))

    def command(self, module: str, *arguments: str) -> list[str]:
        return [str(warm_python.folder() / "python"), "-m", f"pipeline.{module}", *arguments]

    def environment(self) -> dict[str, str]:
        return stages.environment()

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a stage in a process of its own."""
        return self.python("-m", f"pipeline.{module}", *arguments)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder, with the libraries imported already."""
        return subprocess.run(
            [warm_python.folder() / "python", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
