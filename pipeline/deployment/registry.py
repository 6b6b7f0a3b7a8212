"""MLflow's registry of models: the versions of each dataset's model and its champion."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.trials.journal import KEY_TAG, Journal

CHAMPION = "champion"


@dataclass(frozen=True)
class Version:
    """A registered model; fields but ``number`` are None where somebody else registered it."""

    number: str
    key: str | None
    """Of the final trial that made the weights."""
    objective: float | None
    """Validation accuracy of the trial that chose the hyperparameters."""
    data_digest: str | None
    model_id: str | None = None
    """Of the logged model; MLflow's own field comes back empty from a database."""

    @classmethod
    def of(cls, number: str, tags: Mapping[str, str]) -> Version:
        objective = tags.get("objective")
        return cls(
            number,
            tags.get(KEY_TAG),
            None if objective is None else float(objective),
            tags.get("data_digest"),
            tags.get("model_id"),
        )


def beats(version: Version, champion: Version) -> bool:
    """Better on validation of the same data; figures on other data are not compared."""
    if version.objective is None or champion.objective is None:
        return False
    return version.data_digest == champion.data_digest and version.objective > champion.objective


class Registry:
    """The versions of one registered model."""

    def __init__(self, journal: Journal, name: str) -> None:
        self.client, self.experiment_id = journal.client, journal.experiment_id
        self.name = re.sub("[/:'\"`]", "-", name)  # which MLflow's names or filters do not take
        self._condition = f"name = '{self.name}'"

    def versions(self) -> list[Version]:
        found = self.client.search_model_versions(self._condition)
        return [Version.of(str(each.version), each.tags) for each in found]

    def champion(self) -> Version | None:
        for model in self.client.search_registered_models(self._condition):
            number = model.aliases.get(CHAMPION)
            if number is not None:
                found = self.client.get_model_version(self.name, number)
                return Version.of(str(found.version), found.tags)
        return None

    def find(self, key: str) -> Version | None:
        """Return the version of a final trial, or None where it is not registered."""
        return next((each for each in self.versions() if each.key == key), None)

    def register(
        self,
        model_id: str,
        *,
        key: str,
        objective: float,
        data_digest: str,
        description: str,
        run_id: str,
        tags: Mapping[str, str],
    ) -> Version:
        """Make a logged model a version. ``description`` is that of a new registered model."""
        if not self.client.search_registered_models(self._condition):
            self.client.create_registered_model(self.name, description=description)
        facts = {
            KEY_TAG: key,
            "objective": repr(objective),
            "data_digest": data_digest,
            "model_id": model_id,
        }
        where = self.client.get_logged_model(model_id).artifact_location
        made = self.client.create_model_version(
            self.name,
            where,  # models:/ID would be looked up in the store of the whole process
            run_id=run_id,
            tags={**tags, **facts},
            model_id=model_id,
        )
        return Version.of(str(made.version), facts)

    def settle(self, version: Version) -> Version:
        """Link a version to its model, and return the champion.

        That is the version where there was none, or where it beats the one there was.
        """
        self._link(version)
        champion = self.champion()
        if champion is not None and not beats(version, champion):
            return champion
        self.client.set_registered_model_alias(self.name, CHAMPION, version.number)
        return version

    def _link(self, version: Version) -> None:
        """Tell the logged model of its version, unless a person has deleted it.

        By this tag, as MLflow's own register_model sets it, the UI finds one from the other. A kill
        may have come before it, so a version that was there may lack it.
        """
        link = json.dumps([{"name": self.name, "version": int(version.number)}])
        for model in self.client.search_logged_models(
            [self.experiment_id], filter_string=f"model_id = '{version.model_id}'"
        ):
            self.client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": link})


def log_onnx(
    journal: Journal,
    run_id: str,
    path: Path,
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    requirements: Sequence[str],
    *,
    name: str,
    params: Mapping[str, Any],
) -> str:
    """Log an ONNX file as a model of the run that MLflow can serve; return the model's id.

    ``inputs`` is kept as the example, ``outputs`` is what the model makes of it; the first
    axis of each is the batch. ``requirements`` are pip's, with exact versions.
    """
    import mlflow.onnx  # slow to import
    import onnx
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, infer_signature

    client = journal.client
    before = client.search_logged_models(
        [journal.experiment_id], filter_string=f"source_run_id = '{run_id}' AND name = '{name}'"
    )
    for model in before:  # of an evaluation that was killed
        client.delete_logged_model(model.model_id)
    made = client.create_logged_model(
        journal.experiment_id,
        name,
        source_run_id=run_id,
        params={key: str(value) for key, value in params.items()},
        model_type="image classifier",
    )
    status: Literal["READY", "FAILED"] = "FAILED"
    try:
        with tempfile.TemporaryDirectory() as scratch:
            mlflow.onnx.save_model(
                onnx.load(path),
                f"{scratch}/model",
                mlflow_model=Model(run_id=run_id, model_uuid=made.model_id, model_id=made.model_id),
                signature=infer_signature(dict(inputs), dict(outputs)),
                input_example=dict(inputs),
                pip_requirements=list(requirements),
                onnx_execution_providers=["CPUExecutionProvider"],
                save_as_external_data=False,
            )
            client.log_model_artifacts(made.model_id, f"{scratch}/model")
        status = "READY"
    finally:
        client.finalize_logged_model(made.model_id, status)
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, 0)])
    return str(made.model_id)
