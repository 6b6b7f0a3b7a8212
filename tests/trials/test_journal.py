import json
import math
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from pipeline.base.errors import UserError
from pipeline.trials.journal import KEY_TAG, PARENT_TAG, Journal
from pipeline.trials.parents import open_parent
from pipeline.trials.store import JournalLostError, tracking_uri


@pytest.fixture
def journal(project):
    return Journal.open("small", "what it is")


def finish(journal, key, parent_id=None, **result):
    run_id = journal.start("t", parent_id=parent_id, params={"lr": 0.1}, tags={KEY_TAG: key})
    journal.write_json(run_id, "result.json", result)
    journal.close(run_id, "FINISHED")
    return run_id


def find(journal, key):
    return journal.finished(journal.tries(key))


def test_results_come_back_bit_for_bit(journal):
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0]
    finish(journal, "k", values=values)
    found = find(journal, "k").result["values"]
    assert [value.hex() for value in found] == [value.hex() for value in values]


@pytest.mark.slow
def test_more_runs_than_a_page_of_mlflow_are_all_found(journal):
    started = [journal.start("t", parent_id=None, params={}, tags={}) for _ in range(1_001)]
    assert {run.info.run_id for run in journal.search()} == set(started)


def test_a_result_holds_numbers_only(journal):
    run_id = journal.start("t", parent_id=None, params={}, tags={})
    with pytest.raises(ValueError, match="JSON"):
        journal.write_json(run_id, "result.json", {"loss": math.inf})


@pytest.mark.parametrize("taken_along", [Path.rename, shutil.copytree], ids=["moved", "copied"])
def test_a_journal_follows_its_folder(project, journal, taken_along, monkeypatch):
    finish(journal, "k", n=1)
    new = project.folder.with_name(f"{project.folder.name}'s, 花 100%")
    taken_along(project.folder, new)
    monkeypatch.chdir(new)
    again = Journal.open("small")
    assert find(again, "k").result == {"n": 1}
    finish(again, "other", n=2)
    assert len(list((new / "runs" / "artifacts").iterdir())) == 2
    for run in again.search():
        assert run.info.artifact_uri.startswith((new / "runs" / "artifacts").as_uri())
    if project.folder.exists():
        monkeypatch.chdir(project.folder)
        old = Journal.open("small")
        assert find(old, "k").result == {"n": 1}
        assert find(old, "other") is None


def test_files_that_another_folder_wrote_stay_where_they_are(project, journal, monkeypatch):
    finish(journal, "k", n=1)
    other = project.folder.with_name(f"{project.folder.name} other")
    other.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
        patch.chdir(other)
        finish(Journal.open("elsewhere"), "k", n=2)
    assert find(Journal.open("elsewhere"), "k").result == {"n": 2}
    assert find(Journal.open("small"), "k").result == {"n": 1}


def test_results_that_are_out_of_reach_are_not_taken_for_damaged(project, journal):
    finish(journal, "k", n=1)
    files = project.folder / "runs" / "artifacts"
    files.rename(project.folder / "elsewhere")
    with pytest.raises(UserError, match=r"runs/artifacts is not there.*Put it back"):
        Journal.open("small")
    (project.folder / "elsewhere").rename(files)
    assert find(Journal.open("small"), "k").result == {"n": 1}


def test_a_look_at_a_result_leaves_no_copy(journal, tmp_path, monkeypatch):
    finish(journal, "k", n=1)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert find(journal, "k").result == {"n": 1}
    assert list(scratch.iterdir()) == []


def test_the_oldest_finished_run_of_a_key_counts(journal):
    unfinished = journal.start("t", parent_id=None, params={}, tags={KEY_TAG: "k"})
    assert find(journal, "k") is None
    journal.close(unfinished, "FAILED")
    first = finish(journal, "k", n=1)
    finish(journal, "k", n=2)
    finish(journal, "other", n=3)
    found = find(journal, "k")
    assert (found.run_id, found.result) == (first, {"n": 1})


def test_a_trial_of_another_sweep_is_shown_once(project, journal):
    one, two = (open_parent(journal, name, name, {}, "")[0] for name in "ab")
    finish(journal, "k", one, n=1)
    for _ in range(2):
        run_id = journal.mirror(find(journal, "k"), "t", two, {"lr": 0.1}, {})
        if run_id is not None:
            journal.close(run_id, "FINISHED")
    (mirrored,) = [run for run in project.runs() if "replay_of" in run.data.tags]
    assert mirrored.data.tags["replay_of"] == find(journal, "k").run_id
    assert mirrored.data.tags[PARENT_TAG] == two
    assert KEY_TAG not in mirrored.data.tags
    assert mirrored.data.params == {"lr": "0.1"}


def test_a_replay_whose_process_was_killed_is_taken_up_by_the_next(project, journal):
    one, two = (open_parent(journal, name, name, {}, "")[0] for name in "ab")
    finish(journal, "k", one, n=1)
    found = find(journal, "k")
    killed = journal.start("t", parent_id=two, params={}, tags={"replay_of": found.run_id})
    assert journal.mirror(found, "t", two, {"lr": 0.1}, {}) == killed


def test_after_the_first_fault_of_the_store_every_call_fails_at_once(project, journal):
    with pytest.raises(JournalLostError, match="run the same command: it continues from there"):
        journal.close("0" * 32, "FINISHED")
    with pytest.raises(JournalLostError, match="0000"):
        journal.search()


def test_trials_at_once_may_add_the_same_dataset(journal):
    runs = [journal.start("t", parent_id=None, params={}, tags={}) for _ in range(4)]
    together = Barrier(len(runs))

    def add(run_id, digest):
        together.wait()
        journal.log_dataset(run_id, "digits", digest, "here", "train")

    with ThreadPoolExecutor(len(runs)) as pool:
        for digest in ("one", "two", "three"):
            list(pool.map(partial(add, digest=digest), runs))
    assert [len(run.inputs.dataset_inputs) for run in journal.search()] == [3] * len(runs)


def test_the_journal_says_what_it_is_for(project, journal):
    experiment = project.client.get_experiment_by_name("small")
    assert experiment.tags["mlflow.note.content"] == "what it is"
    assert Journal.open("small").experiment_id == journal.experiment_id


def unusable(project, kind):
    database = project.folder / "runs" / "mlflow.db"
    database.unlink()
    if kind == "a folder":
        database.mkdir()
    elif kind == "no database":
        database.write_bytes(b"these are no pages of a database" * 100)
    return tracking_uri()


@pytest.mark.parametrize("kind", ["a folder", "no database"])
def test_a_database_that_cannot_be_used(project, kind):
    uri = unusable(project, kind)
    with pytest.raises(UserError, match="cannot use the MLflow store") as caught:
        Journal.open("small")
    assert uri in str(caught.value)
    assert "MLFLOW_TRACKING_URI" in str(caught.value)


def test_a_password_is_not_repeated(project, monkeypatch):
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed: vdtransfer[team]")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg2://me:s3cret@127.0.0.1:1/mlflow")
    with pytest.raises(UserError, match=r"me:\*\*\*@127.*refused") as caught:
        Journal.open("small")
    assert "s3cret" not in str(caught.value)


def test_a_database_below_a_file(project, monkeypatch):
    (project.folder / "file").write_text("")
    uri = f"sqlite:///{project.folder}/file/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError) as caught:
        Journal.open("small")
    assert uri in str(caught.value)


def test_runs_below_a_file(project, monkeypatch):
    (project.folder / "runs").rename("elsewhere")
    (project.folder / "runs").write_text("")
    with pytest.raises(UserError, match="cannot use the MLflow store"):
        Journal.open("small")


def test_a_deleted_experiment_is_named_with_the_way_back(project, journal):
    project.client.delete_experiment(journal.experiment_id)
    with pytest.raises(UserError, match="mlflow experiments restore -x"):
        Journal.open("small")


def test_the_environment_chooses_the_store(project, monkeypatch):
    assert tracking_uri() == f"sqlite:///{project.folder.resolve()}/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert tracking_uri() == "http://tracking.example:5000"


def test_parameters_are_what_people_read(project, journal):
    finish(journal, "k")
    (run,) = project.trained()
    assert run.data.params == {"lr": "0.1"}
    assert json.loads(project.artifact(run, "result.json")) == {}
