"""A sweep ends early for a common cause, and exports nothing that lacks a trial."""

import errno
import itertools
import math

import pytest
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from pipeline.base.errors import UserError
from pipeline.settings.folders import sweep_dir
from pipeline.trials import run as journalled
from pipeline.trials import sweep_folder

SIMULATED = "lr,l2_decay,label_smoothing,mixup,status,objective,loss"
"""The header of a table of simulated trials."""


@pytest.mark.parametrize("strategy", ["grid", "bayes"])
def test_three_equal_failures_at_the_beginning_end_a_sweep(project, monkeypatch, strategy):
    def fail(*_, **__):
        raise RuntimeError("no memory for 12 images")

    monkeypatch.setattr(journalled, "train", fail)
    with pytest.raises(UserError, match=r"the first 3 trials failed in the same way; .*no memory"):
        project.tune(f"strategy={strategy}", "search.bayes.n_trials=4")
    assert len(project.trained()) == 3
    assert not project.cell(strategy).exists()


def raising(error, meanwhile=lambda: None):
    """Stand for ``hydra.main`` with a launcher that raises ``error``."""

    def main(**_):
        def decorated(_task):
            def run():
                meanwhile()
                raise error

            return run

        return decorated

    return main


def lost_by_slurm():
    submitit = pytest.importorskip("submitit.core.utils", reason="submitit is not installed")
    trace = "Traceback (most recent call last):\n  File 'x'\nMemoryError: 3 GB\n"
    return submitit.UncompletedJobError(
        f"Job 3 (task: 0) with path /x/3_0_result.pkl\nhas not produced any output\n{trace}"
    )


def lost_by_ray():
    ray = pytest.importorskip("ray.exceptions", reason="Ray is not installed")
    return ray.RayTaskError(
        "_job",
        "ray::_job() (pid=7)\nTraceback (most recent call last):\nMemoryError: 3 GB",
        MemoryError("3 GB"),
    )


@pytest.mark.parametrize(("lost", "log"), [(lost_by_slurm, ".submitit"), (lost_by_ray, "/tmp/ray")])
def test_a_lost_job_is_said_with_its_cause_and_its_log(project, monkeypatch, lost, log):
    monkeypatch.setattr("pipeline.tune.hydra.main", raising(lost()))
    with pytest.raises(UserError, match=rf"lost a job: MemoryError: 3 GB\. Its log .*{log}"):
        project.tune("strategy=fixed")


def test_what_ended_a_sweep_comes_before_what_the_launcher_made_of_it(project, monkeypatch):
    stop = sweep_dir(project.compose("strategy=fixed")) / "stopped.txt"

    def leave():
        stop.parent.mkdir(parents=True, exist_ok=True)
        stop.write_text("the disk is full")

    monkeypatch.setattr("pipeline.tune.hydra.main", raising(lost_by_ray(), leave))
    with pytest.raises(UserError, match=r"^the disk is full$"):
        project.tune("strategy=fixed")


def test_the_cause_is_said_though_it_cannot_be_written(project, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def no_room(*_, **__):
        raise UserError("the disk is full")

    monkeypatch.setattr(sweep_folder, "write_text", full)
    monkeypatch.setattr(journalled, "train", no_room)
    with pytest.raises(UserError, match="the disk is full"):
        project.tune("strategy=fixed")


def test_a_table_holds_every_trial_that_the_sweep_launched(project, monkeypatch):
    monkeypatch.setattr("pipeline.tune._multirun", lambda *_: None)
    with pytest.raises(UserError, match="trial 00, trial 01, trial 02, trial 03 left no record"):
        project.tune("strategy=grid")
    assert not project.cell("grid").exists()


def test_a_network_that_does_not_exist_stops_before_any_trial(project):
    with pytest.raises(UserError, match=r"model\.arch: 'resnet5000'"):
        project.tune("strategy=fixed", "model.arch=resnet5000")
    assert project.runs() == []


def test_what_is_more_than_there_is_is_a_warning(project, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.tune._multirun", lambda *_: None)
    with pytest.raises(UserError, match="left no record"):
        project.tune(
            *("strategy=fixed", "machine.threads=9000", "recipe.batch_size=61"),
            *("recipe.image_size=448", "recipe.resize_size=512"),
        )
    printed = capsys.readouterr().err
    assert "warning: machine.threads: found 9000; this machine has" in printed
    assert "warning: recipe.batch_size: found 61, but there are 60 images" in printed
    assert "warning: recipe.resize_size: found 512, but half of the images have a" in printed
    assert "8 px or less (dataset.store_side: original)" in printed


@pytest.mark.slow
def test_another_objective_chooses_among_the_same_trainings(project, capsys):
    project.tune("strategy=grid")
    trained = len(project.trained())
    by_top1 = {row["key"]: row for row in project.table("grid", "trials")}
    shown = {
        "mean_class": "val mean accuracy per class 0.",
        "loss": "val likelihood, exp(-loss) 0.",
    }
    for objective, words in shown.items():
        project.tune("strategy=grid", f"objective={objective}")
        rows = project.table("grid", "trials")
        assert {row["key"] for row in rows} == set(by_top1)
        assert words in capsys.readouterr().out
        for row in rows:
            assert row["top1"] == by_top1[row["key"]]["top1"]
            wanted = math.exp(-float(row["loss"])) if objective == "loss" else float(row[objective])
            assert float(row["objective"]) == wanted
        best = yaml.safe_load((project.cell("grid") / "best.yaml").read_text())
        assert best["chosen_by"] == objective
        assert best["objective"] == max(float(row["objective"]) for row in rows)
    parents = {run.data.tags["chosen_by"]: run for run in project.parents()}
    assert parents.keys() == {"top1", "mean_class", "loss"}
    mirrors = [run for run in project.trained() if "replay_of" in run.data.tags]
    assert len(project.trained()) - len(mirrors) == trained


@pytest.mark.parametrize("strategy", ["grid", "bayes"])
def test_each_job_is_composed_once(project, monkeypatch, tmp_path, strategy):
    """Composing takes most of the time that a trial costs beside its training."""
    table = tmp_path / "table.csv"
    points = itertools.product((0.3, 0.03), (0.0001,), ("false",), ("false", "true"))
    rows = [",".join(map(str, (*point, "finished", 0.5, 1.5))) for point in points]
    table.write_text("\n".join((SIMULATED, *rows)))
    composed = []
    compose = ConfigLoaderImpl.load_sweep_config

    def count(loader, master, overrides):
        composed.append(overrides)
        return compose(loader, master, overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", count)
    project.tune(f"strategy={strategy}", f"machine.simulate={table}")
    assert len(composed) == len(project.table(strategy, "trials")) > 1


def test_a_simulated_objective_that_its_table_lacks_is_one_message(project, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("\n".join((SIMULATED, "0.3,0.0001,false,false,finished,0.5,1.5")))
    simulated = f"machine.simulate={table}"
    project.tune("strategy=fixed", simulated)
    with pytest.raises(UserError, match=r"objective: found 'mean_class', but .*table\.csv has no"):
        project.tune("strategy=fixed", simulated, "objective=mean_class")


def test_a_budget_says_as_much_as_it_wants_to(project):
    project.set(search={"fixed": {}, "grid": {}, "bayes": {"n_trials": 2}})
    project.tune("strategy=bayes")
    assert len(project.table("bayes", "trials")) == 2
