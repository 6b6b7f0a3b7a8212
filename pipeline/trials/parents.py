"""Find the parent run of a sweep again, with the time that its processes worked."""

import time
from collections.abc import Mapping

from mlflow.entities import Run

from pipeline.trials.journal import PARENT_TAG, Journal

_REOPENED = "sweep.reopened"
"""The tag that says when the last process of a sweep reopened its run, in ms since 1970."""


def open_parent(
    journal: Journal, name: str, fingerprint: str, tags: Mapping[str, str], note: str
) -> tuple[str, float]:
    """Find a sweep's parent run by its fingerprint and reopen it, or start a new one.

    Returns its id and the seconds that its processes worked until now; see :func:`set_duration`.
    """
    for run in journal.search(f"tags.`sweep.fingerprint` = '{fingerprint}'"):
        seconds = _seconds(journal, run)
        set_duration(journal, run.info.run_id, "RUNNING", seconds)
        journal.tag(run.info.run_id, {_REOPENED: str(int(time.time() * 1000))})
        return str(run.info.run_id), seconds
    every = {**tags, "sweep.fingerprint": fingerprint, "mlflow.note.content": note}
    return journal.start(name, parent_id=None, params={}, tags=every), 0.0


def set_duration(journal: Journal, run_id: str, status: str, seconds: float) -> None:
    """Give a run a status, and the duration that MLflow shows: without the pauses in between."""
    started = journal.client.get_run(run_id).info.start_time
    journal.client.set_terminated(run_id, status, started + round(1000 * seconds))


def _seconds(journal: Journal, parent: Run) -> float:
    """Return how long the processes of a sweep worked.

    The run's end has the time of those that closed it. One that was killed worked until the last
    sign of life of its trials.
    """
    started = parent.info.start_time
    worked = (parent.info.end_time or started) - started
    if parent.info.status == "RUNNING":
        began = int(parent.data.tags.get(_REOPENED, started))
        worked += max(0, _last_sign_of_life(journal, parent.info.run_id) - began)
    return float(worked / 1000)


def _last_sign_of_life(journal: Journal, parent_id: str) -> int:
    """Return when a trial of a sweep last began, logged or ended, in ms since 1970."""
    signs = [0]
    for run in journal.search(f"tags.`{PARENT_TAG}` = '{parent_id}'"):
        signs.append(run.info.end_time or run.info.start_time)
        for key in run.data.metrics if run.info.status == "RUNNING" else ():
            logged = journal.client.get_metric_history(run.info.run_id, key)
            signs += [value.timestamp for value in logged]
    return max(signs)
