"""Say how MLflow's UI shows the journal: which runs, in which order, with which columns."""

import json
from urllib.parse import urlencode

from pipeline.settings.point import HYPERPARAMETERS

_VIEW = "trials"
_FACETS = {
    "searchFilter": "tags.purpose = 'search'",
    "orderByKey": "metrics.`objective`",
    "orderByAsc": False,
}
_COLUMNS = (
    *(f"params.`{name}`" for name in HYPERPARAMETERS),
    *("metrics.`objective`", "metrics.`val/top1`", "metrics.`wall/seconds`"),
    *("tags.`dataset`", "tags.`model`", "tags.`strategy`"),
)


def experiment_tags() -> dict[str, str]:
    """Return the tags of an experiment that hold its view of the search trials, best first.

    MLflow keeps a shared view of an experiment in such a tag, and opens an experiment of this kind
    on its side for model training.
    """
    view = {**_FACETS, "selectedColumns": _COLUMNS}
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{_VIEW}": json.dumps(view),
    }


def view_address(ui: str, experiment_id: str) -> str:
    """Return the address at which the UI at ``ui`` opens the view of an experiment."""
    asked = {"viewStateShareKey": _VIEW, "workflowType": "machine_learning"}
    return f"{ui}/#/experiments/{experiment_id}/runs?{urlencode(asked)}"
