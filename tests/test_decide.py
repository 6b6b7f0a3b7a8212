"""Seeds are added where a comparison is undecided, and the report counts them."""

import json
from pathlib import Path

import pytest

from pipeline.decide import decide
from pipeline.reporting.comparisons import difference
from pipeline.reporting.results import Cell, CellName, read_results
from tests.support.small_project import SmallProject

MODEL = "resnet50_vd_random"
FOLDER = Path("results/.decided/digits") / MODEL


def cells() -> list[Cell]:
    names = [CellName("digits", MODEL, strategy) for strategy in ("fixed", "grid")]
    return read_results(Path(), names).cells


def looks() -> dict[str, object]:
    return json.loads((FOLDER / "looks.json").read_text())


def test_listed_seeds_are_all_there_will_be(project: SmallProject) -> None:
    decide(project.compose())
    assert looks() == {"looks": [2], "seeds": {}}


@pytest.mark.slow
def test_undecided_points_are_refitted_up_to_the_budget(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.base.paired_comparison.CURTAILED", 0)
    project.set(
        strategies=["fixed", "grid"],
        l2_decay=0.001,  # not in the space: the points differ, by next to nothing
        space={"lr": [0.3], "l2_decay": [0.0001], "label_smoothing": [False], "mixup": [False]},
        evaluate={"seeds": "auto", "budget": 5},
    )
    for strategy in ("fixed", "grid"):
        project.tune(f"strategy={strategy}")
        project.evaluate(f"strategy={strategy}")
    assert [cell.final.seeds for cell in cells() if cell.final] == [[0, 1, 2]] * 2
    before = len(project.trained())
    decide(project.compose())
    assert looks() == {"looks": [3, 5], "seeds": {"fixed": 5, "grid": 5}}
    assert len(project.trained()) == before + 4
    fixed, grid = cells()
    assert fixed.final is not None
    results = {
        run.data.params["seed"]: project.result(run)["metrics"]["top1"]
        for run in project.trained()
        if run.data.tags["purpose"] == "final" and run.data.params["l2_decay"] == "0.001"
    }
    assert fixed.final.top1 == pytest.approx([results[seed] for seed in "01234"])
    assert [row.seed for row in fixed.final_runs] == fixed.final.seeds == [0, 1, 2, 3, 4]
    assert fixed.final.top1_mean == pytest.approx(sum(fixed.final.top1) / 5)
    measured = difference(grid, fixed)
    assert measured is not None
    assert measured.comparison is not None
    assert (measured.comparison.seeds, measured.comparison.looks) == (5, 2)

    again = (FOLDER / "grid" / "more_seeds.json").read_bytes()
    decide(project.compose())
    assert len(project.trained()) == before + 4
    assert (FOLDER / "grid" / "more_seeds.json").read_bytes() == again
    decide(project.compose("evaluate.seeds=[0,1,2]"))
    assert [cell.final.seeds for cell in cells() if cell.final] == [[0, 1, 2]] * 2
