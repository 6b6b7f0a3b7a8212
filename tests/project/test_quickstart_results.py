"""What `make quickstart` left behind: tables, journal and report say the same."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from pipeline.settings.compose import compose
from pipeline.settings.point import FLAGS, HYPERPARAMETERS
from pipeline.trials.journal import KEY_TAG, PARENT_TAG, Journal

ROOT = Path(__file__).parents[2]
CELL = ROOT / "quickstart" / "results" / "digits" / "resnet50_vd_random"
STRATEGIES = ("fixed", "grid", "bayes")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CELL.is_dir(), reason="no quickstart/results: run `make quickstart`"),
]


@pytest.fixture(scope="module")
def cfg():
    return compose(ROOT / "quickstart")


@pytest.fixture(scope="module")
def journal(cfg):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield Journal.open(cfg.project)


@pytest.fixture(scope="module")
def runs(journal):
    return {run.info.run_id: run for run in journal.search()}


def table(strategy, name):
    with (CELL / strategy / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def best(strategy):
    return yaml.safe_load((CELL / strategy / "best.yaml").read_text())


def final(strategy):
    return json.loads((CELL / strategy / "final.json").read_text())


def test_each_strategy_spent_what_it_may(cfg):
    assert len(table("fixed", "trials")) == 1
    assert len(table("grid", "trials")) == cfg.space.size() >= 12
    assert len(table("bayes", "trials")) == cfg.search.bayes.n_trials
    for strategy in STRATEGIES:
        points = [tuple(row[name] for name in HYPERPARAMETERS) for row in table(strategy, "trials")]
        assert len(set(points)) == len(points)
        assert best(strategy)["n_trials"] == len(points)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_row_is_a_run_of_the_journal_with_the_same_objective(journal, runs, strategy):
    trials, places = table(strategy, "trials"), table(strategy, "runs")
    assert [row["key"] for row in trials] == [row["key"] for row in places]
    for row, place in zip(trials, places, strict=True):
        run = runs[place["run_id"]]
        result = journal.finished([run]).result
        assert run.info.status == "FINISHED"
        assert run.data.tags[KEY_TAG] == row["key"]
        assert result["objective"] == float(row["objective"])
        assert run.data.metrics["objective"] == float(row["objective"])
        assert float(place["seconds"]) == result["seconds"]
        point = {name: str(result["identity"]["point"][name]).lower() for name in HYPERPARAMETERS}
        assert {name: float(row[name]) for name in ("lr", "l2_decay")} == {
            name: float(point[name]) for name in ("lr", "l2_decay")
        }
        assert [row[name] for name in FLAGS] == [point[name] for name in FLAGS]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_best_point_is_the_tables(strategy):
    rows, chosen = table(strategy, "trials"), best(strategy)
    assert chosen["objective"] == max(float(row["objective"]) for row in rows)
    assert rows[chosen["trial"]]["key"] == chosen["key"]
    assert final(strategy)["point"] == chosen["point"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_parent_has_all_the_trials_of_its_sweep(journal, runs, strategy):
    keys = {row["key"] for row in table(strategy, "trials")}
    parents = [
        run
        for run in runs.values()
        if "sweep.fingerprint" in run.data.tags and run.data.tags["strategy"] == strategy
    ]

    def shown(parent):
        found = []
        for run in runs.values():
            if run.data.tags.get(PARENT_TAG) == parent.info.run_id:
                trial = runs[run.data.tags.get("replay_of", run.info.run_id)]
                if trial.info.status == "FINISHED":
                    found.append(trial.data.tags[KEY_TAG])
        return found

    (parent,) = [run for run in parents if set(shown(run)) == keys]
    assert sorted(shown(parent)) == sorted(keys)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["best/objective"] == best(strategy)["objective"]
    assert parent.data.metrics["n_trials"] == len(keys)


def test_no_run_is_left_running(runs):
    assert not [run.info.run_name for run in runs.values() if run.info.status == "RUNNING"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_refits_are_the_journals(cfg, journal, runs, strategy):
    written, places = final(strategy), table(strategy, "final_runs")
    assert written["seeds"] == cfg.evaluate.seeds == [int(row["seed"]) for row in places]
    assert written["keys"] == [row["key"] for row in places]
    results = [journal.finished([runs[row["run_id"]]]).result for row in places]
    assert written["top1"] == [result["metrics"]["top1"] for result in results]
    assert {result["identity"]["purpose"] for result in results} == {"final"}


def test_winners_at_the_same_point_share_their_refits():
    points = {json.dumps(final(s)["point"]): set(final(s)["keys"]) for s in STRATEGIES}
    for strategy in STRATEGIES:
        assert set(final(strategy)["keys"]) == points[json.dumps(final(strategy)["point"])]


def test_the_good_points_pass_ninety_per_cent():
    assert final("grid")["top1_mean"] > 0.9


def test_the_report_shows_the_same_accuracy_and_numbers_of_trials():
    report = (ROOT / "quickstart" / "report" / "report.md").read_text()
    assert (ROOT / "quickstart" / "report" / "report.html").stat().st_size > 10_000
    for strategy in STRATEGIES:
        assert f"{100 * final(strategy)['top1_mean']:.2f}" in report
    metrics = json.loads((ROOT / "quickstart" / "report" / "metrics.json").read_text())
    for strategy in STRATEGIES:
        written = metrics["digits"][strategy]
        assert written["test_top1"] == final(strategy)["top1_mean"]
        assert written["validation_top1"] == best(strategy)["objective"]
        assert written["trials"] == best(strategy)["n_trials"]


def shown(name):
    with (ROOT / "quickstart" / "report" / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_reports_tables_are_those_of_the_cells():
    rows = {row["strategy"]: row for row in shown("cells")}
    assert set(rows) == set(STRATEGIES)
    for strategy, row in rows.items():
        chosen = best(strategy)
        assert float(row["top1"]) == final(strategy)["top1_mean"]
        assert float(row["validation_top1"]) == chosen["objective"]
        assert int(row["trials"]) == chosen["n_trials"]
        point = {name: str(value).lower() for name, value in chosen["point"].items()}
        assert {name: row[name] for name in HYPERPARAMETERS} == point


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_reports_list_of_trials_is_the_cells(strategy):
    rows = shown(f"trials-digits-resnet50_vd_random-{strategy}")
    trials, places = table(strategy, "trials"), table(strategy, "runs")
    assert len(rows) == len(trials)
    by_trial = {row["trial"]: row for row in rows}
    for trial, place in zip(trials, places, strict=True):
        row = by_trial[trial["trial"]]
        assert float(row["top1"]) == float(trial["top1"])
        assert row["run_id"] == place["run_id"]
