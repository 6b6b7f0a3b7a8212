"""Say how MLflow's UI shows the journal: which runs, in which order, with which columns."""

import json
from urllib.parse import urlencode

from pipeline.settings.point import HYPERPARAMETERS

_TRIAL = (
    *(f"params.`{name}`" for name in HYPERPARAMETERS),
    *("metrics.`val/top1`", "metrics.`wall/seconds`"),
    *("tags.`dataset`", "tags.`model`", "tags.`strategy`"),
)
_SWEEP = ("metrics.`n_trials`", "tags.`best.point`", "tags.`model`")  # its name begins with others
# A trial that several sweeps share is listed once: only its training has a key, its replays do not.
_TRAINED = "tags.purpose = 'search' AND tags.`trial.key` LIKE '%'"
VIEWS = {
    "trials": (_TRAINED, "objective", _TRIAL),
    "sweeps": ("tags.purpose = 'sweep'", "best/objective", _SWEEP),
}
"""The filter of each view, the metric that orders its runs, and further columns."""


def experiment_tags() -> dict[str, str]:
    """Return the tags of an experiment that hold its views, each with the best run first.

    MLflow keeps a shared view of an experiment in such a tag, and opens an experiment of this kind
    on its side for model training.
    """
    tags = {"mlflow.experimentKind": "custom_model_development"}
    for name, (runs, metric, columns) in VIEWS.items():
        view = {
            "searchFilter": runs,
            "orderByKey": f"metrics.`{metric}`",
            "orderByAsc": False,
            "selectedColumns": (f"metrics.`{metric}`", *columns),
        }
        tags[f"mlflow.sharedViewState.{name}"] = json.dumps(view)
    return tags


def view_address(ui: str, experiment_id: str, view: str) -> str:
    """Return the address at which the UI at ``ui`` opens a view of an experiment."""
    asked = {"viewStateShareKey": view, "workflowType": "machine_learning"}
    return f"{ui}/#/experiments/{experiment_id}/runs?{urlencode(asked)}"
