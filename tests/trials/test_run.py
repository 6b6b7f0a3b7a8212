"""The trial through its journal: trained once, replayed ever after, failed in the open."""

import json
from types import SimpleNamespace

import pynvml
import pytest

from pipeline.training.data import Purpose
from pipeline.trials import run as journalled
from pipeline.trials.contract import TrialResult
from pipeline.trials.journal import KEY_TAG, Journal
from pipeline.trials.run import TrialFailedError, run


def go(project, *overrides, purpose=Purpose.SEARCH, parent_id=None):
    return run(
        project.compose(*overrides),
        purpose,
        Journal.open("small"),
        name="a trial",
        label="trial",
        parent_id=parent_id,
        tags={"strategy": "fixed"},
    )


COST = dict.fromkeys(("seconds", "fit_seconds", "finished"))
"""What differs when a trial is trained again."""
LOADS = ("utilization", "memory_usage", "power_usage")
TRAINED = AssertionError("a finished trial was trained again")


def no_training(monkeypatch, error=TRAINED):
    def train(*_, **__):
        raise error

    monkeypatch.setattr(journalled, "train", train)


def checkpoints(project):
    return list((project.folder / "runs").rglob("*.ckpt"))


def test_the_same_key_replays_the_same_numbers_without_training(project, monkeypatch):
    first = go(project)
    no_training(monkeypatch)
    again = go(project, "recipe=quick20", "recipe.name=other", *same_recipe(project))
    assert again.result == first.result
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.key, again.run_id) == (first.key, first.run_id)
    (trained,) = project.trained()
    assert trained.info.status == "FINISHED"
    assert TrialResult.model_validate(project.result(trained)) == first.result
    assert json.loads(project.artifact(trained, "config.json"))["lr"] == 0.3
    assert checkpoints(project) == []


def same_recipe(project):
    """The values of the small recipe, under another name."""
    values = project.compose().recipe.model_dump(exclude={"name"})
    return [f"recipe.{key}={json.dumps(value)}" for key, value in values.items()]


def test_curves_and_cost_stand_in_the_run_for_people(project):
    outcome = go(project, "recipe.epochs=2")
    (trained,) = project.trained()
    points = project.client.get_metric_history(trained.info.run_id, "val/top1")
    assert [(p.step, p.value) for p in points] == [
        (row.epoch, row.top1) for row in outcome.result.curve
    ]
    assert trained.data.metrics["objective"] == outcome.result.objective
    assert trained.data.metrics["wall/seconds"] == outcome.result.seconds
    assert trained.data.params["lr"] == "0.3"
    assert trained.data.tags["strategy"] == "fixed"


def test_a_failed_trial_says_failed_with_its_traceback_and_is_tried_again(project, monkeypatch):
    with monkeypatch.context() as patch:
        no_training(patch, RuntimeError("CUDA out of memory"))
        with pytest.raises(TrialFailedError, match="RuntimeError: CUDA out of memory"):
            go(project)
    (failed,) = project.trained()
    assert failed.info.status == "FAILED"
    assert "Traceback" in project.artifact(failed, "error.txt")
    assert go(project).replayed is False
    assert [each.info.status for each in project.trained()] == ["FAILED", "FINISHED"]


def test_a_trial_that_takes_too_long_has_failed(project):
    with pytest.raises(TrialFailedError, match="max_trial_seconds"):
        go(project, "tune.max_trial_seconds=1e-9")
    assert project.trained()[0].info.status == "FAILED"


def test_ctrl_c_closes_the_run_as_killed(project, monkeypatch):
    no_training(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        go(project)
    assert [each.info.status for each in project.trained()] == ["KILLED"]


def test_a_diverged_trial_is_a_finished_run_and_tagged(project):
    outcome = go(project, "lr=1e30")
    assert (outcome.result.status, outcome.result.objective) == ("diverged", 0.0)
    (trained,) = project.trained()
    assert (trained.info.status, trained.data.tags["diverged"]) == ("FINISHED", "true")
    assert go(project, "lr=1e30").replayed


def test_a_run_whose_process_died_is_marked_before_the_next_try(project):
    """Its lock is free, so nobody works on it."""
    first = go(project)
    project.client.delete_run(first.run_id)
    journal = Journal.open("small")
    dead = journal.start("dead", parent_id=None, params={}, tags={KEY_TAG: first.key})
    again = go(project)
    assert again.result.model_copy(update=COST) == first.result.model_copy(update=COST)
    statuses = {each.info.run_id: each.info.status for each in project.trained()}
    assert statuses == {dead: "KILLED", again.run_id: "FINISHED"}


def test_a_final_trial_keeps_weights_and_predictions(project):
    outcome = go(project, purpose=Purpose.FINAL)
    (trained,) = project.trained()
    names = {each.path for each in project.client.list_artifacts(trained.info.run_id)}
    assert {"model.safetensors", "predictions.parquet", "result.json", "config.json"} <= names
    assert len(outcome.result.metrics.per_class) == 10
    assert not list((project.folder / "runs").glob("*/*.safetensors"))


def test_a_final_trial_shows_the_load_of_the_accelerators(project, monkeypatch):
    answers = {
        "nvmlInit": None,
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": "card",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=2e9, total=8e9),
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=70),
        "nvmlDeviceGetPowerUsage": 350_000,
        "nvmlDeviceGetEnforcedPowerLimit": 700_000,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, lambda *_, answer=answer: answer)
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    go(project, purpose=Purpose.FINAL)
    (trained,) = project.trained()
    shown = {name: trained.data.metrics[f"system/gpu_0_{name}_percentage"] for name in LOADS}
    assert shown == {"utilization": 70, "memory_usage": 25, "power_usage": 50}


def test_search_and_final_trials_of_a_point_differ(project):
    assert go(project).key != go(project, purpose=Purpose.FINAL).key
