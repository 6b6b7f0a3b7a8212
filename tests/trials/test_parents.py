"""The parent run of a sweep is one run, and shows how long the sweep's processes worked."""

import pytest
from mlflow.entities import Metric, Run

from pipeline.trials.journal import Journal
from pipeline.trials.parents import open_parent, set_duration
from tests.support.small_project import SmallProject


@pytest.fixture
def journal(project: SmallProject) -> Journal:
    return Journal.open("small", "what it is")


def only(project: SmallProject) -> Run:
    (run,) = project.parents()
    return run


def test_a_parent_is_found_again_by_its_fingerprint_and_reopened(
    project: SmallProject, journal: Journal
) -> None:
    first, _ = open_parent(journal, "a sweep", "f1", {"strategy": "grid"}, "why")
    journal.close(first, "KILLED")
    assert open_parent(journal, "a sweep", "f1", {"strategy": "grid"}, "why")[0] == first
    assert only(project).info.status == "RUNNING"
    assert only(project).data.tags["mlflow.note.content"] == "why"
    assert open_parent(journal, "a sweep", "f2", {}, "")[0] != first


def test_a_parent_shows_the_time_of_its_processes_without_the_pauses(
    project: SmallProject, journal: Journal
) -> None:
    run_id, earlier = open_parent(journal, "a sweep", "f1", {}, "")
    assert earlier == 0
    set_duration(journal, run_id, "KILLED", 2.5)
    assert open_parent(journal, "a sweep", "f1", {}, "") == (run_id, 2.5)
    set_duration(journal, run_id, "FINISHED", 4)
    assert only(project).info.end_time - only(project).info.start_time == 4000


def test_a_killed_process_worked_until_the_last_sign_of_life_of_its_trials(
    project: SmallProject, journal: Journal
) -> None:
    """Nothing closes its run: a trial ended in the first, one logged in the second."""
    parent, _ = open_parent(journal, "a sweep", "f1", {}, "")
    begin = only(project).info.start_time
    ended = journal.start("t", parent_id=parent, params={}, tags={})
    journal.client.set_terminated(ended, "FINISHED", begin + 3000)
    assert open_parent(journal, "a sweep", "f1", {}, "") == (parent, 3.0)
    assert only(project).info.end_time - begin == 3000
    reopened = int(only(project).data.tags["sweep.reopened"])
    training = journal.start("t", parent_id=parent, params={}, tags={})
    journal.client.log_batch(training, metrics=[Metric("val/loss", 0.1, reopened + 60_000, 1)])
    assert open_parent(journal, "a sweep", "f1", {}, "") == (parent, 63.0)


def test_a_process_that_was_killed_before_its_first_trial_counts_for_nothing(
    project: SmallProject, journal: Journal
) -> None:
    parent, _ = open_parent(journal, "a sweep", "f1", {}, "")
    for _ in range(2):
        assert open_parent(journal, "a sweep", "f1", {}, "") == (parent, 0.0)
