"""A search ends within its hours, counts them over every process, and replays what it has."""

import json
import time

import pytest

from pipeline.report import report
from pipeline.settings.machine import STARTED
from pipeline.trials.clock import clock_file
from tests.support.small_project import BUDGET, KEY


def limited(project, hours, **budget):
    project.set(search={"bayes": BUDGET | budget, "max_hours": hours})


def trials(project):
    return [row["key"] for row in project.table("bayes", "trials")]


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setenv(STARTED, str(time.time()))


def test_when_time_is_over_the_best_so_far_is_the_result(project, now):
    limited(project, 1e-6)
    project.tune("strategy=bayes")
    assert len(trials(project)) == 1
    assert [run.info.status for run in project.trained()] == ["FINISHED"]
    assert project.parents()[0].info.status == "FINISHED"
    assert "time_over: true" in (project.cell("bayes") / "best.yaml").read_text()
    report(project.compose())
    said = (project.folder / "report" / "report.md").read_text()
    assert "the search ended after 1 trial because its hours" in said


def test_a_search_that_ended_in_time_is_replayed_and_goes_on_with_more_hours(project, now):
    limited(project, 1e-6)
    project.tune("strategy=bayes")
    best = (project.cell("bayes") / "best.yaml").read_bytes()
    project.tune("strategy=bayes")
    assert (project.cell("bayes") / "best.yaml").read_bytes() == best
    assert len(project.trained()) == 1
    limited(project, 1000)
    project.tune("strategy=bayes")
    assert len(trials(project)) == BUDGET["n_trials"]
    assert "time_over" not in (project.cell("bayes") / "best.yaml").read_text()
    assert len({run.data.tags[KEY] for run in project.trained()}) == BUDGET["n_trials"]


def test_time_before_an_interruption_counts_and_another_search_begins_anew(project, now):
    limited(project, 1000)
    project.tune("strategy=bayes")
    [file] = (project.folder / "runs" / "sweeps").rglob(clock_file(project.folder / "bayes").name)
    clock = json.loads(file.read_text())
    file.write_text(json.dumps(clock | {"seconds": 999.99 * 3600}))
    limited(project, 1000, n_trials=4)
    project.tune("strategy=bayes")
    assert len(trials(project)) == 3  # those of the first search are replayed, no other begins
    assert json.loads(file.read_text())["seconds"] > 999 * 3600
    project.tune("strategy=bayes", "recipe.epochs=2")
    assert len(trials(project)) == 4
    assert json.loads(file.read_text())["seconds"] < 3600


def test_a_grid_has_no_limit(project, now):
    project.set(search={"max_hours": 1e-6})
    project.tune("strategy=grid")
    assert len(project.table("grid", "trials")) == 4
