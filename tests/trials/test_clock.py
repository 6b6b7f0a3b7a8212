"""A search ends within its hours, counts them over every process, and replays what it has."""

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import psutil
import pytest
from hydra_skopt_sweeper.errors import StopSweep

from pipeline.report import report
from pipeline.settings.folders import sweep_dir
from pipeline.settings.machine import STARTED
from pipeline.trials.clock import clock_file, counting_on, require_time
from pipeline.trials.contract import Trial, TrialResult
from tests.support.small_project import BUDGET, KEY, PARAMS


def limited(project, hours, **budget):
    project.set(search={"bayes": BUDGET | budget, "max_hours": hours})


def trials(project):
    return [row["key"] for row in project.table("bayes", "trials")]


def spend(project, hours):
    """Write down that the search with ``bayes`` has used so many hours."""
    file = clock_file(sweep_dir(project.compose("strategy=bayes")))
    earlier = {"seconds": hours * 3600, "began": 0.0}  # another command counted them
    file.write_text(json.dumps(json.loads(file.read_text()) | earlier))
    return file


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
    file = spend(project, 1000)
    limited(project, 1000, n_trials=4)
    project.tune("strategy=bayes")
    assert len(trials(project)) == 3  # those of the first search are replayed, no other begins
    assert json.loads(file.read_text())["seconds"] > 999 * 3600
    project.tune("strategy=bayes", "recipe.epochs=2")
    assert len(trials(project)) == 4
    assert json.loads(file.read_text())["seconds"] < 3600


@pytest.mark.slow
def test_another_space_first_point_or_objective_begins_anew(project, now):
    search = {"bayes": BUDGET, "max_hours": 1000}
    project.set(search=search)
    project.tune("strategy=bayes")
    space = {**PARAMS["space"], "lr": [1.0, 0.3]}
    for change in ({"space": space}, {"lr": 0.03}, {"objective": "loss"}):
        file = spend(project, 1000)
        project.set(search=search, **change)
        project.tune("strategy=bayes")
        assert len(trials(project)) == BUDGET["n_trials"], change
        assert json.loads(file.read_text())["seconds"] < 3600, change


@pytest.mark.slow
def test_a_trial_without_time_may_stand_before_a_replayed_one(project, now, capsys):
    budget = BUDGET | {"n_trials": 4, "batch_size": 2}
    project.set(
        search={"bayes": budget, "max_hours": 1000}, evaluate={"seeds": [0], "train_shares": [0.5]}
    )
    project.tune("strategy=bayes")
    lost = next(run for run in project.trained() if run.data.tags["trial"] == "2")
    project.client.delete_run(lost.info.run_id)  # a kill came before its end
    spend(project, 1000)
    project.tune("strategy=bayes")
    rows = project.table("bayes", "trials")
    assert [row["trial"] for row in rows] == ["0", "1", "3"]
    chosen = max(rows, key=lambda row: float(row["objective"]))
    assert chosen["trial"] == "3"  # it stands in row 2
    assert "chosen: trial 03, " in capsys.readouterr().out
    spend(project, 0)  # else there is no time for half of the images
    project.evaluate("strategy=bayes")
    final = json.loads((project.cell("bayes") / "final.json").read_text())
    assert final["learning_curve"][-1]["top1"] == float(chosen["top1"])
    report(project.compose("strategies=[bayes]"))
    said = (project.folder / "report" / "report.md").read_text()
    assert "the search ended after 3 trials because its hours" in said


def so_far(cfg, *seconds):
    """Return trials that ended in this order, and one that diverged early."""
    measured = {"top1": 0.5, "top5": 0.5, "mean_class": 0.5, "loss": 1.0}
    ended = [(each, measured) for each in seconds] + [(2.0, None)]
    return [
        Trial.model_construct(
            number=number,
            point=cfg.point,
            result=TrialResult.model_construct(
                seconds=took, metrics=metrics, finished=datetime.fromtimestamp(number, UTC)
            ),
        )
        for number, (took, metrics) in enumerate(ended)
    ]


@pytest.mark.parametrize(
    ("settings", "seconds", "needed"),
    [
        ([], [60], 60 + 2 * 60 * 100 / 60),  # refits train on the 40 validation images, too
        ([], [20, 60], 60 + 2 * 60 * 100 / 60),  # the machine became slower
        ([], [60, 20], 40 + 2 * 40 * 100 / 60),
        (["evaluate.train_shares=[0.5, 0.25]"], [60], 60 + 2 * 60 * 100 / 60 + 0.75 * 60),
        (["protocol=paddle", "evaluate.train_shares=[0.5]"], [60], 60),
    ],
)
def test_the_time_needed_is_that_of_measured_trials_and_of_what_follows(
    project, settings, seconds, needed
):
    limited(project, 1)
    cfg = project.compose("strategy=bayes", *settings)
    file = clock_file(sweep_dir(cfg))
    file.parent.mkdir(parents=True, exist_ok=True)

    def leave(seconds):
        clock = {"key": "", "began": 0.0, "earlier": 0.0, "start_up": 10.0}
        file.write_text(json.dumps(clock | {"seconds": 3600 - seconds}))

    needed += 4 * 10  # evaluate, its packaging, decide and report
    leave(needed + 1)
    require_time(cfg, sweep_dir(cfg), so_far(cfg, *seconds))
    leave(needed - 1)
    with pytest.raises(
        StopSweep, match="are left, but one more trial, the refits, the model and the report"
    ):
        require_time(cfg, sweep_dir(cfg), so_far(cfg, *seconds))


def test_waiting_for_another_process_is_no_part_of_the_start(project, now, monkeypatch):
    limited(project, 1e-6)
    asked = []

    @contextmanager
    def alone(path, what):
        asked.append(time.time())
        yield

    monkeypatch.setattr("pipeline.trials.sweep.alone", alone)
    project.tune("strategy=bayes")
    file = clock_file(sweep_dir(project.compose("strategy=bayes")))
    start_up = json.loads(file.read_text())["start_up"]
    assert start_up <= asked[0] - psutil.Process().create_time()


def test_time_that_two_commands_share_counts_once(project, monkeypatch):
    limited(project, 1)
    cfg = project.compose("strategy=bayes")
    file = clock_file(sweep_dir(cfg))
    file.parent.mkdir(parents=True, exist_ok=True)
    now = time.time()
    # It ended 20 seconds after this command had begun to wait for it.
    before = {"key": "", "began": now - 100, "earlier": 7.0, "seconds": 97.0, "start_up": 1.0}
    file.write_text(json.dumps(before))
    monkeypatch.setenv(STARTED, str(now - 30))
    for _ in range(2):  # two stages of this command
        with counting_on(cfg, sweep_dir(cfg)):
            pass
        counted = json.loads(file.read_text())
        assert counted["earlier"] == pytest.approx(77.0)


def test_refits_fall_to_one_when_time_is_over_and_grow_with_more_hours(project, now, capsys):
    project.set(
        search={"bayes": BUDGET, "max_hours": 1000},
        evaluate={"seeds": [0, 1, 2]},
        strategies=["bayes"],
    )
    project.tune("strategy=bayes")
    spend(project, 1000)

    def final():
        project.evaluate("strategy=bayes")
        return json.loads((project.cell("bayes") / "final.json").read_text())

    once = final()
    assert (once["seeds"], once["seeds_left_out"]) == ([0], [1, 2])
    printed = capsys.readouterr().out
    assert "refit seed 1  left out: search.max_hours=1000: 0 s are left, but this tr" in printed
    assert final() == once
    report(project.compose())
    said = (project.folder / "report" / "report.md").read_text()
    assert "left no time for 2 more refits: the test accuracy is that of 1 training." in said
    search = {"bayes": BUDGET, "max_hours": 3000}
    project.set(search=search, evaluate={"seeds": [0, 1], "train_shares": [0.5]})
    more = final()
    assert (more["seeds"], more["seeds_left_out"]) == ([0, 1], [])
    assert len(more["learning_curve"]) == 2


def test_the_stages_of_a_command_count_its_time_once(project, monkeypatch):
    limited(project, 1000)
    monkeypatch.setenv(STARTED, str(time.time() - 5000))
    project.tune("strategy=bayes")
    file = clock_file(sweep_dir(project.compose("strategy=bayes")))
    tuned = json.loads(file.read_text())["seconds"]
    project.evaluate("strategy=bayes")
    evaluated = json.loads(file.read_text())["seconds"]
    assert 5000 < tuned < evaluated < 10_000
    # The same command, given again long after the first one ended.
    file.write_text(json.dumps(json.loads(file.read_text()) | {"began": 0.0}))
    monkeypatch.setenv(STARTED, str(time.time() - 5000))
    project.evaluate("strategy=bayes")
    assert json.loads(file.read_text())["seconds"] > evaluated + 5000


def test_a_grid_has_no_limit(project, now):
    project.set(search={"max_hours": 1e-6})
    project.tune("strategy=grid")
    assert len(project.table("grid", "trials")) == 4
