"""Keep each dataset's model versions and its champion in MLflow's model registry."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities.model_registry import ModelVersion
from pydantic import BaseModel, ConfigDict, Field

from pipeline.deployment.onnx_session import INPUT, OUTPUTS, session
from pipeline.trials.journal import Journal

CHAMPION = "champion"
REQUIREMENTS = ("mlflow", "numpy", "onnx", "onnxruntime")
"""Packages that the registered model needs to run; ``Description.versions`` are for training."""


class Version(BaseModel):
    """A registered model version; if somebody else registered it, only ``number`` is not None."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    number: str
    key: str | None = Field(None, alias="trial.key")
    """Key of the final trial that produced the weights."""
    objective: float | None = None
    """Objective of the trial that chose the hyperparameters, on validation."""
    data_digest: str | None = None
    chosen_by: str | None = None
    """Name of that objective."""
    model_id: str | None = None
    """Id of the logged model, from a tag; MLflow's own field comes back empty from a database."""

    @classmethod
    def of(cls, version: ModelVersion) -> Version:
        return cls.model_validate({**version.tags, "number": str(version.version)})


def beats(version: Version, champion: Version) -> bool:
    """Return whether a version has a higher objective than the champion on the same data.

    Versions on different data, or chosen by different objectives, are not compared.
    """
    if version.objective is None or champion.objective is None:
        return False
    if (version.data_digest, version.chosen_by) != (champion.data_digest, champion.chosen_by):
        return False
    return version.objective > champion.objective


class Registry:
    """The versions of one registered model."""

    def __init__(self, journal: Journal, name: str) -> None:
        self.client, self.experiment_id = journal.client, journal.experiment_id
        self.name = re.sub("[/:'\"`]", "-", name)  # MLflow's names or filters do not accept these
        self._condition = f"name = '{self.name}'"

    def versions(self) -> list[Version]:
        return [Version.of(each) for each in self.client.search_model_versions(self._condition)]

    def champion(self) -> Version | None:
        for model in self.client.search_registered_models(self._condition):
            number = model.aliases.get(CHAMPION)
            if number is not None:
                return Version.of(self.client.get_model_version(self.name, number))
        return None

    def find(self, key: str) -> Version | None:
        """Return the version of the final trial with this key, or None if it is not registered."""
        return next((each for each in self.versions() if each.key == key), None)

    def register(
        self, model_id: str, run_id: str, tags: Mapping[str, object], description: str
    ) -> Version:
        """Register a logged model as a version; ``tags`` hold the fields of :class:`Version`.

        ``description`` is used when the registered model is new.
        """
        if not self.client.search_registered_models(self._condition):
            self.client.create_registered_model(self.name, description=description)
        where = self.client.get_logged_model(model_id).artifact_location
        made = self.client.create_model_version(
            self.name,
            where,  # models:/ID would be looked up in the store of the whole process
            run_id=run_id,
            tags={name: str(value) for name, value in tags.items()} | {"model_id": model_id},
            model_id=model_id,
        )
        return Version.of(made)

    def restate(self, version: Version, tags: Mapping[str, object]) -> Version:
        """Replace tags of a version, and return it with them."""
        for name, value in tags.items():
            self.client.set_model_version_tag(self.name, version.number, name, str(value))
        return Version.of(self.client.get_model_version(self.name, version.number))

    def settle(self, version: Version) -> Version:
        """Link a version to its logged model, and return the champion.

        The version becomes the champion if there was none or if it beats the current one.
        """
        self._link(version)
        champion = self.champion()
        if champion is not None and not beats(version, champion):
            return champion
        self.client.set_registered_model_alias(self.name, CHAMPION, version.number)
        return version

    def _link(self, version: Version) -> None:
        """Tag the logged model with its version, unless a person has deleted the model.

        MLflow's own register_model sets this tag too, and the UI follows it. An older version may
        lack the tag if its process was killed before setting it.
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
    images: np.ndarray,
    *,
    name: str,
    params: Mapping[str, Any],
) -> str:
    """Log an ONNX file as a model of a run, so that MLflow can serve it; return the model's id.

    ``images`` is kept as the example, in the form of the graph's input.
    """
    import mlflow.onnx  # slow to import
    import onnx
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, infer_signature

    client, inputs = journal.client, {INPUT: images}
    outputs = dict(zip(OUTPUTS, session(path).run(list(OUTPUTS), inputs), strict=True))
    before = client.search_logged_models(
        [journal.experiment_id], filter_string=f"source_run_id = '{run_id}' AND name = '{name}'"
    )
    for model in before:  # left by an evaluation that did not end
        client.delete_logged_model(model.model_id)
    made = client.create_logged_model(
        journal.experiment_id,
        name,
        source_run_id=run_id,
        params={key: str(value) for key, value in params.items()},
        model_type="image classifier",
    )
    with tempfile.TemporaryDirectory() as scratch:
        mlflow.onnx.save_model(
            onnx.load(path),
            f"{scratch}/model",
            mlflow_model=Model(run_id=run_id, model_uuid=made.model_id, model_id=made.model_id),
            signature=infer_signature(inputs, outputs),
            input_example=inputs,
            pip_requirements=[f"{each}=={metadata.version(each)}" for each in REQUIREMENTS],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
        client.log_model_artifacts(made.model_id, f"{scratch}/model")
    client.finalize_logged_model(made.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, 0)])
    return str(made.model_id)
