"""Record trials in MLflow and look them up: the journal."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)

from pipeline.base.errors import UserError
from pipeline.settings.command_line import guarded
from pipeline.settings.folders import runs_dir
from pipeline.trials import store
from pipeline.trials.views import experiment_tags

RESULT = "result.json"
KEY_TAG = "trial.key"
PARENT_TAG = "mlflow.parentRunId"

_DIGEST_LENGTH = 36  # MLflow's database cuts a dataset's digest to this many characters
_DESCRIPTION = "mlflow.note.content"

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Finished:
    """A finished run of the journal."""

    run_id: str
    parent_id: str | None
    result: dict[str, Any]


@contextmanager
def _first_use(uri: str) -> Iterator[MlflowClient]:
    """Give a client under a lock, because two processes must not create the database at once.

    Raises JournalLostError when the store cannot be reached or written.
    """
    try:
        runs_dir().mkdir(parents=True, exist_ok=True)
        with FileLock(runs_dir() / "mlflow.lock"):
            store.check_store(uri)
            yield store.reaching(uri)
    except store.FAULTS as error:
        raise store.lost(uri, error) from error


class Journal:
    """The runs of one experiment."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self.client, self.experiment_id = client, experiment_id

    @classmethod
    def open(cls, project: str, description: str = "") -> Journal:
        """Open the experiment of a project, and create it on first use.

        Raises UserError when the experiment was deleted or the files of its runs are gone. Like
        every method, raises JournalLostError when the store cannot be reached or written.
        """
        uri = store.tracking_uri()
        tags = {_DESCRIPTION: description, **experiment_tags()}
        with _first_use(uri) as client:
            experiment = client.get_experiment_by_name(project)
            if experiment is None:
                address = None
                if uri.startswith("sqlite:"):
                    store.artifacts().mkdir(parents=True, exist_ok=True)
                    address = store.artifacts().as_uri()
                return cls(client, client.create_experiment(project, address, tags))
            for key, value in tags.items() if description else ():
                if experiment.tags.get(key) != value:
                    client.set_experiment_tag(experiment.experiment_id, key, value)
        if experiment.lifecycle_stage != "active":
            raise UserError(
                f"MLflow experiment '{project}' is deleted; restore it with "
                f"`mlflow experiments restore -x {experiment.experiment_id}`"
            )
        if uri.startswith("sqlite:"):
            store.require_artifacts(experiment.artifact_location)
        return cls(client, experiment.experiment_id)

    # Looking up

    def search(self, *conditions: str) -> list[Run]:
        """Return the runs that meet all conditions, the oldest first."""
        runs: list[Run] = []
        token: str | None = None
        while True:  # a page holds 1,000
            page = self.client.search_runs(
                [self.experiment_id],
                " and ".join(conditions),
                ViewType.ACTIVE_ONLY,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += page
            if not (token := page.token):
                return runs

    def tries(self, key: str) -> list[Run]:
        """Return every run of a trial, the oldest first."""
        return self.search(f"tags.`{KEY_TAG}` = '{key}'")

    def finished(self, tries: Sequence[Run]) -> Finished | None:
        """Return the first finished run of ``tries`` with the result it wrote, or None.

        A run whose result is missing or damaged is marked FAILED and skipped.
        """
        for run in tries:
            if run.info.status != "FINISHED":
                continue
            result = self._result(run.info.run_id)
            if result is not None:
                return Finished(run.info.run_id, run.data.tags.get(PARENT_TAG), result)
            self.write_text(run.info.run_id, "error.txt", f"{RESULT} is missing or damaged")
            self.close(run.info.run_id, "FAILED")
        return None

    def _result(self, run_id: str) -> dict[str, Any] | None:
        """Return the ``result.json`` of a run; unlike MLflow's metrics, it is exact."""
        if all(each.path != RESULT for each in self.client.list_artifacts(run_id)):
            return None
        with self.artifact(run_id, RESULT) as path:
            data = path.read_bytes()
        try:
            loaded: dict[str, Any] = json.loads(data)
        except ValueError:
            return None
        return loaded

    @contextmanager
    def artifact(self, run_id: str, name: str) -> Iterator[Path]:
        """Give a temporary copy of a run's file; MLflow itself would leave each copy behind."""
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(self.client.download_artifacts(run_id, name, scratch))

    # Writing

    def start(
        self,
        name: str,
        *,
        parent_id: str | None,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> str:
        """Create a RUNNING run and return its id."""
        every = {"mlflow.source.name": "vdtransfer", "mlflow.source.type": "LOCAL", **tags}
        if parent_id is not None:
            every[PARENT_TAG] = parent_id
        run = self.client.create_run(self.experiment_id, tags=every, run_name=name)
        self.client.log_batch(
            run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()]
        )
        return str(run.info.run_id)

    def log(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        self.log_steps(run_id, {step: metrics})

    def log_steps(self, run_id: str, steps: Mapping[int, Mapping[str, float]]) -> None:
        """Log the metrics of several steps in one request; 1,000 values at most."""
        now = int(time.time() * 1000)
        points = [
            Metric(key, float(value), now, step)
            for step, metrics in steps.items()
            for key, value in metrics.items()
        ]
        self.client.log_batch(run_id, metrics=points)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def write_json(self, run_id: str, name: str, obj: Any) -> None:
        self.client.log_text(run_id, json.dumps(obj, allow_nan=False), name)

    def write_text(self, run_id: str, name: str, text: str) -> None:
        self.client.log_text(run_id, text, name)

    def write_file(self, run_id: str, path: Path) -> None:
        self.client.log_artifact(run_id, str(path))

    def log_dataset(self, run_id: str, name: str, digest: str, source: str, context: str) -> None:
        """Record which data a run used; ``context`` names the splits."""
        dataset = Dataset(name, digest[:_DIGEST_LENGTH], "local", json.dumps({"uri": source}))
        tag = InputTag("mlflow.data.context", context)
        self.client.log_inputs(run_id, [DatasetInput(dataset, [tag])])

    def close(self, run_id: str, status: str) -> None:
        """End a run with a status: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)

    def mirror(
        self,
        finished: Finished,
        name: str,
        parent_id: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> str | None:
        """Return the id of a run that shows another sweep's trial under this sweep too.

        The run is tagged ``replay_of``; the caller fills and closes it. Returns None when a
        finished one exists already.
        """
        known = self.search(
            f"tags.replay_of = '{finished.run_id}'", f"tags.`{PARENT_TAG}` = '{parent_id}'"
        )
        if any(run.info.status == "FINISHED" for run in known):
            return None
        if known:  # its process was killed before it closed the run
            return str(known[0].info.run_id)
        every = {**tags, "replay_of": finished.run_id}
        return self.start(name, parent_id=parent_id, params=params, tags=every)


def experiments() -> dict[str, str]:
    """Return the experiments of this journal that have our views: id by name.

    Creates or migrates the database. Raises JournalLostError when it cannot be used.
    """
    with _first_use(store.tracking_uri()) as client:
        return {
            each.name: each.experiment_id
            for each in client.search_experiments()
            if experiment_tags().keys() <= each.tags.keys()
        }


def main() -> None:
    """Create or migrate the database before several processes use it; print its address."""
    uri = store.tracking_uri()
    with _first_use(uri) as client:
        client.search_experiments(max_results=1)
    print(uri)


if __name__ == "__main__":
    guarded(main)
