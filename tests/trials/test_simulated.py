"""A dry run replays a table, and nobody can take it for the real thing."""

from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.report import report
from tests.support.small_project import PARAMS, SmallProject

TABLE = """\
lr,l2_decay,label_smoothing,mixup,status,objective,loss
0.3,0.0001,false,false,finished,0.5,1.25
0.3,0.0001,false,true,diverged,0.0,
0.03,0.0001,false,false,finished,0.75,0.5
0.03,0.0001,false,true,failed,,
"""
SIMULATE = "machine.simulate=table.csv"


@pytest.fixture
def simulated(project: SmallProject) -> SmallProject:
    Path("table.csv").write_text(TABLE)
    project.set(recipe=PARAMS["recipe"] | {"epochs": 3}, space=PARAMS["space"] | {"lr": [0.3]})
    return project


def test_a_sweep_has_the_figures_of_the_table(simulated: SmallProject) -> None:
    simulated.tune("strategy=grid", SIMULATE)
    rows = simulated.table("grid", "trials")
    assert [(row["status"], row["objective"]) for row in rows] == [
        ("finished", "0.5"),
        ("diverged", "0.0"),
    ]
    curves = simulated.table("grid", "curves")
    assert [(row["trial"], row["epoch"], row["top1"]) for row in curves] == [
        ("0", str(epoch), "0.5") for epoch in (1, 2, 3)
    ]
    assert {run.data.tags.get("simulated") for run in simulated.runs()} == {"true"}


def test_a_simulated_trial_is_another_trial(simulated: SmallProject) -> None:
    simulated.tune("strategy=fixed", SIMULATE)
    simulated.tune("strategy=fixed", SIMULATE, "machine.simulate_seconds=0.01")
    Path("table.csv").write_text(TABLE.replace("0.5,1.25", "0.6,1.25"))
    simulated.tune("strategy=fixed", SIMULATE)
    assert simulated.table("fixed", "trials")[0]["objective"] == "0.6"
    simulated.tune("strategy=fixed", "recipe.epochs=1")
    keys = {run.data.tags["trial.key"] for run in simulated.trained()}
    assert len(keys) == len(simulated.trained()) == 4
    assert len(simulated.parents()) == 4


def test_a_simulated_cell_is_not_evaluated(simulated: SmallProject) -> None:
    simulated.tune("strategy=fixed", SIMULATE)
    for overrides in (["strategy=fixed"], ["strategy=fixed", SIMULATE]):
        with pytest.raises(UserError, match="a simulated cell has nothing to evaluate"):
            simulated.evaluate(*overrides)


def test_the_report_says_that_nothing_was_measured(
    simulated: SmallProject, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated.tune("strategy=fixed", SIMULATE)
    report(simulated.compose())
    words = "simulated, not trained: digits-resnet50_vd_random-fixed"
    assert words in capsys.readouterr().out
    page = (simulated.folder / "report" / "report.md").read_text()
    assert "no figure of these cells was measured. digits-resnet50_vd_random-fixed" in page


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (None, "there is no table"),
        ("lr,mixup\n0.3,false\n", "lacks the columns l2_decay, label_smoothing, loss"),
        (TABLE.splitlines()[0] + "\n", "has no figures of"),
        (
            "lr,l2_decay,label_smoothing,mixup,status,objective,loss\n"
            "0.3,0.0001,false,false,finished,,\n",
            r"table\.csv.*a finished trial without objective or loss",
        ),
    ],
)
def test_a_table_that_cannot_stand_for_training(
    simulated: SmallProject, table: str | None, reason: str
) -> None:
    Path("table.csv").unlink()
    if table is not None:
        Path("table.csv").write_text(table)
    with pytest.raises(UserError, match=reason):
        simulated.tune("strategy=fixed", SIMULATE)
