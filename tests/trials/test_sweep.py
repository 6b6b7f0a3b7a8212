"""A sweep ends early for a common cause, and exports nothing that lacks a trial."""

import pytest

from pipeline.base.errors import UserError
from pipeline.trials import run as journalled


@pytest.mark.parametrize("strategy", ["grid", "bayes"])
def test_three_equal_failures_at_the_beginning_end_a_sweep(project, monkeypatch, strategy):
    def fail(*_, **__):
        raise RuntimeError("no memory for 12 images")

    monkeypatch.setattr(journalled, "train", fail)
    with pytest.raises(UserError, match=r"the first 3 trials failed in the same way: .*no memory"):
        project.tune(f"strategy={strategy}", "search.bayes.n_trials=4")
    assert len(project.trained()) == 3
    assert not project.cell(strategy).exists()


def test_a_table_holds_every_trial_that_the_sweep_launched(project, monkeypatch):
    monkeypatch.setattr("pipeline.tune._multirun", lambda *_: None)
    with pytest.raises(UserError, match="trial 0, 1, 2, 3 left no record"):
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
            "strategy=fixed", "machine.threads=9000", "machine.workers=9001", "recipe.batch_size=61"
        )
    told = capsys.readouterr().err
    assert "warning: machine.threads: found 9000; this machine has" in told
    assert "warning: machine.workers: found 9001; this machine has" in told
    assert "warning: recipe.batch_size: found 61, but there are 60 images" in told


def test_a_budget_says_as_much_as_it_wants_to(project):
    project.set(search={"fixed": {}, "grid": {}, "bayes": {"n_trials": 2}})
    project.tune("strategy=bayes")
    assert len(project.table("bayes", "trials")) == 2
