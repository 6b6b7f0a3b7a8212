"""Sweeps through tune's own door: shared trials, closed parents, tables that come again."""

import csv
import re
import signal
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
import torch
import yaml

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import MANIFEST
from pipeline.settings.command_line import guarded
from pipeline.settings.folders import sweep_dir
from pipeline.settings.point import HYPERPARAMETERS
from pipeline.training.classifier import Classifier
from pipeline.trials import run as journalled
from pipeline.trials.journal import Journal
from pipeline.tune import main
from tests.support.small_project import KEY, SmallProject
from tests.support.waiting import until

ROOT = Path(__file__).parents[1]
TABLES = ("trials.csv", "curves.csv", "best.yaml")


def tables(project, strategy):
    return {name: (project.cell(strategy) / name).read_bytes() for name in TABLES}


def proposals(project):
    """The sweeper's own table of the search, without what differs from run to run."""
    with (sweep_dir(project.compose("strategy=bayes")) / "sweep.csv").open(newline="") as file:
        return [{**row, "seconds": None} for row in csv.DictReader(file)]


def failing(monkeypatch, error, when=lambda cfg: True):
    """Make the training of some points fail."""
    train = journalled.train

    def fail(cfg, *rest, **options):
        if when(cfg):
            raise error
        return train(cfg, *rest, **options)

    monkeypatch.setattr(journalled, "train", fail)


def statuses(project):
    return sorted(run.info.status for run in project.runs())


def test_a_project_that_was_moved_trains_nothing_again(project, monkeypatch):
    project.tune("strategy=fixed")
    trained = [run.info.run_id for run in project.trained()]
    new = project.folder.with_name(f"{project.folder.name} moved")
    project.folder.rename(new)
    monkeypatch.chdir(new)
    moved = SmallProject(new)
    moved.tune("strategy=fixed")
    assert [run.info.run_id for run in moved.trained()] == trained
    assert statuses(moved) == ["FINISHED", "FINISHED"]


@pytest.mark.slow
def test_fixed_grid_and_bayes_share_their_trials(project):
    project.tune("strategy=fixed")
    (fixed,) = project.table("fixed", "trials")
    project.tune("strategy=grid")
    grid = project.table("grid", "trials")
    points = [(row["lr"], row["mixup"]) for row in grid]
    assert points == [("0.3", "false"), ("0.3", "true"), ("0.03", "false"), ("0.03", "true")]
    assert [row["replayed"] for row in project.table("grid", "runs")] == ["true", *["false"] * 3]
    assert grid[0] | {"trial": ""} == fixed | {"trial": ""}
    project.tune("strategy=bayes")
    bayes = project.table("bayes", "trials")
    assert len(bayes) == 3
    assert bayes[0]["key"] == fixed["key"], "the fixed scheme comes first"
    assert {row["key"] for row in bayes} <= {row["key"] for row in grid}
    assert {row["replayed"] for row in project.table("bayes", "runs")} == {"true"}
    (parent,) = [run for run in project.parents() if run.data.tags["strategy"] == "bayes"]
    for shown in project.children(parent):
        trained = project.client.get_run(shown.data.tags["replay_of"])
        assert shown.data.metrics == trained.data.metrics
        assert "val/top1" in shown.data.metrics
        assert shown.inputs.dataset_inputs == trained.inputs.dataset_inputs != []
        assert project.artifact(shown, "config.json")

    assert len(project.trained()) == 4
    assert set(statuses(project)) == {"FINISHED"}
    sizes = {}
    for parent in project.parents():
        children = project.children(parent)
        sizes[parent.data.tags["strategy"]] = len(children)
        assert all((KEY in run.data.tags) != ("replay_of" in run.data.tags) for run in children)
    assert sizes == {"fixed": 1, "grid": 4, "bayes": 3}

    before = {strategy: tables(project, strategy) for strategy in sizes}
    project.tune("strategy=grid")
    project.tune("strategy=bayes")
    assert {strategy: tables(project, strategy) for strategy in sizes} == before
    assert len(project.runs()) == 4 + 3 + 1 + 3, "trials, parents, replays of fixed's and grid's"


def test_best_is_the_best_of_the_table(project):
    project.tune("strategy=grid")
    best = yaml.safe_load((project.cell("grid") / "best.yaml").read_text())
    rows = project.table("grid", "trials")
    top = max(float(row["objective"]) for row in rows)
    assert best["objective"] == top
    chosen = rows[best["trial"]]
    assert float(chosen["objective"]) == top
    assert float(chosen["lr"]) == best["point"]["lr"]
    assert (best["n_trials"], best["space_size"], best["protocol"]) == (4, 4, "heldout")
    assert best["recipe"]["batch_size"] == 16
    (parent,) = project.parents()
    assert parent.info.run_name.startswith("grid · digits · ")
    assert (parent.data.metrics["best/objective"], parent.data.metrics["n_trials"]) == (top, 4)
    [name] = [
        run.info.run_name
        for run in project.trained()
        if run.data.tags["trial"] == str(best["trial"])
    ]
    assert name == f"trial {best['trial']:02} · {parent.data.tags['best.point']}"
    assert parent.data.tags["best.point"].startswith(f"lr {best['point']['lr']} · l2_decay 0.0001")
    for name in ("trials.csv", "best.yaml"):
        assert project.artifact(parent, name) == (project.cell("grid") / name).read_text()


def test_a_failed_trial_does_not_stop_the_others(project, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        failing(patch, RuntimeError("no memory"), when=lambda cfg: cfg.mixup and cfg.lr == 0.3)
        with pytest.raises(UserError, match=r"1 of 4 trials failed .*: trial 01: RuntimeError: no"):
            project.tune("strategy=grid")
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("no memory") == 1, "each failure has one line"
    assert not project.cell("grid").exists()
    assert statuses(project) == ["FAILED", "FAILED", "FINISHED", "FINISHED", "FINISHED"]
    (parent,) = project.parents()
    assert parent.info.status == "FAILED"

    project.tune("strategy=grid")
    assert project.parents()[0].info.run_id == parent.info.run_id
    assert project.parents()[0].info.status == "FINISHED"
    replayed = [row["replayed"] for row in project.table("grid", "runs")]
    assert set(replayed) == {"false"}, "all were trained for this grid"


def test_allowed_failures_are_exported_as_failed(project, monkeypatch):
    failing(monkeypatch, RuntimeError("no memory"), when=lambda cfg: cfg.mixup and cfg.lr == 0.3)
    project.tune("strategy=grid", "tune.allowed_failures=1")
    rows = project.table("grid", "trials")
    assert [row["status"] for row in rows] == ["finished", "failed", "finished", "finished"]
    assert rows[1]["objective"] == ""


def test_as_many_failures_in_a_row_as_are_allowed_do_not_end_a_search(project, monkeypatch):
    failing(monkeypatch, RuntimeError("no memory"), when=lambda cfg: cfg.lr == 0.3 or cfg.mixup)
    project.tune("strategy=bayes", "tune.allowed_failures=3", "search.bayes.n_trials=4")
    rows = project.table("bayes", "trials")
    assert sorted(row["status"] for row in rows) == ["failed", "failed", "failed", "finished"]


@pytest.mark.parametrize("strategy", ["grid", "bayes"])
def test_when_everything_fails_the_message_is_one_and_the_parent_closed(
    project, monkeypatch, capsys, strategy
):
    """Hydra's own exit must not hide ours."""
    failing(monkeypatch, RuntimeError("no memory"))
    monkeypatch.setattr(sys, "argv", ["tune", f"strategy={strategy}"])
    with pytest.raises(SystemExit) as left:
        guarded(main)
    assert left.value.code == 2
    printed = capsys.readouterr().err
    assert re.search("trials failed .*no memory", printed.splitlines()[-1])
    assert "Traceback" not in printed
    assert set(statuses(project)) == {"FAILED"}
    assert not project.cell(strategy).exists()


@pytest.mark.parametrize("when", [0, 2])
def test_what_ends_a_trial_for_want_of_room_or_journal_ends_a_search_too(
    project, monkeypatch, when
):
    """The sweeper takes it for a failed trial; tune does not export a table with a hole."""
    trained = []

    def full(cfg):
        trained.append(cfg)
        return len(trained) > when

    with monkeypatch.context() as patch:
        failing(patch, UserError("the disk is full"), when=full)
        with pytest.raises(UserError, match="the disk is full"):
            project.tune("strategy=bayes")
    assert len(trained) == when + 1
    assert not project.cell("bayes").exists()
    project.tune("strategy=bayes")
    assert len(project.table("bayes", "trials")) == 3


def test_too_little_memory_ends_a_sweep_at_its_first_trial(project, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Classifier, "training_step", full)
    with pytest.raises(UserError, match=r"^out of memory on cpu: .* Set recipe.micro_batch"):
        project.tune("strategy=grid")
    assert [run.info.status for run in project.trained()] == ["FAILED"]


def test_a_job_that_an_engine_lost_is_one_message(project, monkeypatch):
    lost = pytest.importorskip("submitit.core.utils").UncompletedJobError

    def cancelled(*_, **__):
        raise lost("Job 7_0 was cancelled\nand more")

    monkeypatch.setattr(hydra, "main", lambda **_: lambda _: cancelled)
    with pytest.raises(UserError, match="submitit lost a job: Job 7_0 was cancelled and more"):
        project.tune("strategy=grid")
    assert statuses(project) == ["FAILED"]


def test_a_mistake_found_inside_a_job_is_one_message_too(project, monkeypatch, capsys):
    """Weights or networks are looked at when the first trial needs them."""
    failing(monkeypatch, UserError("the weights do not fit"))
    monkeypatch.setattr(sys, "argv", ["tune", "strategy=grid"])
    with pytest.raises(SystemExit) as left:
        guarded(main)
    assert left.value.code == 2
    printed = capsys.readouterr().err
    assert printed == "error: the weights do not fit\n"
    assert set(statuses(project)) == {"FAILED"}


def test_ctrl_c_keeps_what_is_finished(project, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, KeyboardInterrupt(), when=lambda cfg: cfg.lr == 0.03)
        with pytest.raises(KeyboardInterrupt):
            project.tune("strategy=grid")
    assert statuses(project) == ["FINISHED", "FINISHED", "KILLED", "KILLED"]
    assert not project.cell("grid").exists()
    project.tune("strategy=grid")
    assert {row["replayed"] for row in project.table("grid", "runs")} == {"false"}
    assert "RUNNING" not in statuses(project)


@pytest.mark.slow
def test_ctrl_c_while_a_replay_is_shown_leaves_no_run_running(project, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    project.tune("strategy=fixed")
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "log_dataset", interrupted)
        with pytest.raises(KeyboardInterrupt):
            project.tune("strategy=grid")
    assert statuses(project).count("KILLED") == 2, "the sweep and the replay"
    assert "RUNNING" not in statuses(project)
    project.tune("strategy=grid")
    (shown,) = [run for run in project.runs() if "replay_of" in run.data.tags]
    assert shown.info.status == "FINISHED"


def test_diverged_trials_are_results(project):
    project.set(
        space={"lr": [0.3, 1e30], "l2_decay": [1e-4], "label_smoothing": [False], "mixup": [False]}
    )
    project.tune("strategy=grid")
    rows = project.table("grid", "trials")
    assert [(row["status"], row["objective"]) for row in rows][1] == ("diverged", "0.0")
    assert rows[0]["status"] == "finished"


def test_when_everything_diverges_nothing_is_chosen(project):
    with pytest.raises(UserError, match=r"Lower the learning rates"):
        project.tune("strategy=fixed", "lr=1e30")
    assert not project.cell("fixed").exists()
    assert project.parents()[0].info.status == "FAILED"


@pytest.mark.parametrize("fault", ["not prepared", "damaged", "no journal"])
def test_bad_input_stops_before_any_trial(project, monkeypatch, capsys, fault):
    manifest = project.folder / "data" / "prepared" / "digits" / MANIFEST
    messages = {"not prepared": "dvc repro prepare@digits", "damaged": f"{MANIFEST} is damaged"}
    if fault == "no journal":
        (project.folder / "file").write_text("")
        uri = f"sqlite:///{project.folder}/file/mlflow.db"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        messages[fault] = uri
    else:
        manifest.unlink()
    if fault == "damaged":
        manifest.write_bytes(b"PAR1 but no more")
    monkeypatch.setattr(sys, "argv", ["tune", "strategy=grid"])
    with pytest.raises(SystemExit) as left:
        guarded(main)
    assert left.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert messages[fault] in message
    assert "Traceback" not in message
    assert project.runs() == []
    assert not (project.folder / "results").exists()


def test_another_recipe_is_another_sweep(project):
    project.tune("strategy=fixed")
    project.tune("strategy=fixed", "recipe.momentum=0.5")
    assert len(project.parents()) == 2
    assert len(project.trained()) == 2


STOPPED = """
import os, sys, signal
from pipeline.trials import run as journalled
from pipeline.tune import tune
from pathlib import Path
strategy, trial, death = sys.argv[1:]  # tune hands Hydra arguments of its own
train, started = journalled.train, []
def train_or_die(cfg, *rest, **options):
    started.append(cfg)
    if len(started) == int(trial):
        os.kill(os.getpid(), getattr(signal, death))
    return train(cfg, *rest, **options)
journalled.train = train_or_die
tune(Path(), ["strategy=" + strategy])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "trial"), [("grid", 1), ("grid", 3), ("bayes", 2)])
def test_a_sweep_killed_by_kill_9_ends_with_the_same_tables(project, strategy, trial):
    done = project.python("-c", STOPPED, strategy, str(trial), "SIGKILL")
    assert done.returncode == -signal.SIGKILL
    assert not project.cell(strategy).exists()
    done = project.run("tune", f"strategy={strategy}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  replayed  ") == trial - 1
    assert {row["replayed"] for row in project.table(strategy, "runs")} == {"false"}
    killed = tables(project, strategy)
    trials = len(project.table(strategy, "runs"))
    assert statuses(project).count("KILLED") == 1
    assert statuses(project).count("FINISHED") == trials + 1
    assert "RUNNING" not in statuses(project)

    project.set(project="undisturbed")
    done = project.run("tune", f"strategy={strategy}")
    assert done.returncode == 0, done.stderr
    assert {row["replayed"] for row in project.table(strategy, "runs")} == {"false"}
    assert tables(project, strategy) == killed


@pytest.mark.slow
def test_the_search_of_the_quickstart_proposes_the_same_after_kill_9(project):
    quickstart = yaml.safe_load((ROOT / "quickstart" / "params.yaml").read_text())
    cell = {key: quickstart[key] for key in (*HYPERPARAMETERS, "seed", "space", "search")}
    project.set(**cell)
    done = project.python("-c", STOPPED, "bayes", "5", "SIGKILL")  # after the walk
    assert done.returncode == -signal.SIGKILL
    done = project.run("tune", "strategy=bayes")
    assert done.returncode == 0, done.stderr
    killed = proposals(project)
    assert len(killed) == quickstart["search"]["bayes"]["n_trials"]
    assert {row["kind"] for row in killed} == {"initial", "line", "model"}

    project.set(**cell, project="undisturbed")
    done = project.run("tune", "strategy=bayes")
    assert done.returncode == 0, done.stderr
    assert proposals(project) == killed


@pytest.mark.slow
def test_sigterm_closes_every_run_and_the_rest_follows(project):
    command = project.command("tune", "strategy=grid", "recipe.epochs=60")
    process = subprocess.Popen(
        command, env=project.environment(), cwd=project.folder, stderr=subprocess.PIPE, text=True
    )
    until(
        lambda: (
            process.poll() is not None
            or any("val/top1" in run.data.metrics for run in project.trained())
        )
    )
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate()
    assert process.returncode == 130, printed
    assert "run the same command to go on" in printed
    assert "RUNNING" not in statuses(project)


def test_tables_are_plain_csv(project):
    project.tune("strategy=fixed")
    text = (project.cell("fixed") / "trials.csv").read_bytes()
    assert b"\r" not in text
    assert len(list(csv.reader(text.decode().splitlines()))) == 2
    assert (project.cell("fixed") / "trials.csv").stat().st_mode & 0o044
