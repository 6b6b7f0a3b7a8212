"""Seeds are added where a comparison is undecided, and the report counts them."""

import json
from pathlib import Path

import pytest

from pipeline.base.files import write_json
from pipeline.decide import decide
from pipeline.reporting.comparisons import difference
from pipeline.reporting.results import Cell, CellName, read_results
from pipeline.settings.folders import sweep_dir
from pipeline.settings.schema import Config
from pipeline.trials.clock import clock_file
from tests.support.small_project import SmallProject

MODEL = "resnet50_vd_random"
FOLDER = Path("results/.decided/digits") / MODEL


def cells() -> list[Cell]:
    names = [CellName("digits", MODEL, strategy) for strategy in ("fixed", "grid")]
    return read_results(Path(), names).cells


def looks() -> dict[str, object]:
    return json.loads((FOLDER / "looks.json").read_text())


def without_hours_left(cfg: Config) -> Config:
    """Add a search to the configuration, which has hours but none of them left."""
    search = cfg.search.model_copy(update={"max_hours": 1.0})
    cfg = cfg.model_copy(update={"strategies": [*cfg.strategies, "bayes"], "search": search})
    strategy = cfg.strategy.model_copy(update={"name": "bayes"})
    file = clock_file(sweep_dir(cfg.model_copy(update={"strategy": strategy})))
    clock = {"key": "", "began": 0.0, "earlier": 0.0, "seconds": 3600.0, "start_up": 1.0}
    write_json(file, clock)
    return cfg


def test_listed_seeds_are_all_there_will_be(project: SmallProject) -> None:
    decide(project.compose())
    assert looks() == {"looks": [2], "seeds": {}}


@pytest.mark.slow
def test_undecided_points_are_refitted_up_to_the_budget(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
    decide(without_hours_left(project.compose()))
    assert looks() == {"looks": [3, 5], "seeds": {"fixed": 3, "grid": 3}}
    assert len(project.trained()) == before
    said = "4 more refits left out: search.max_hours=1: 0 s are left, but these trainings and"
    assert said in capsys.readouterr().out
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
    for cfg in (project.compose(), without_hours_left(project.compose())):
        decide(cfg)
        assert len(project.trained()) == before + 4
        assert (FOLDER / "grid" / "more_seeds.json").read_bytes() == again

    for run in project.trained():
        if (run.data.params["seed"], run.data.params["l2_decay"]) == ("4", "0.0001"):
            project.client.delete_run(run.info.run_id)
    assert len(project.trained()) == before + 3
    decide(without_hours_left(project.compose()))
    assert looks() == {"looks": [3, 5], "seeds": {"fixed": 3, "grid": 3}}
    assert "1 more refit left out: search.max_hours=1: 0 s are left" in capsys.readouterr().out
    decide(project.compose())
    assert looks() == {"looks": [3, 5], "seeds": {"fixed": 5, "grid": 5}}
    decide(project.compose("evaluate.seeds=[0,1,2]"))
    assert [cell.final.seeds for cell in cells() if cell.final] == [[0, 1, 2]] * 2
