"""The first screen: which setting, how good, how sure, at what cost, where the model is."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipeline.reporting.cell_groups import places
from pipeline.reporting.comparisons import comparison_table
from pipeline.reporting.published import table1
from pipeline.reporting.recommendation import (
    accuracy,
    answer,
    answer_table,
    cost,
    strategy_table,
    surprises,
)
from pipeline.reporting.result_table import result_table
from pipeline.reporting.results import CellName, Results, read_results
from tests.support.synthetic_results import Benchmark, write_predictions

STRATEGIES = ("fixed", "grid", "bayes")


def read(root: Path, *datasets: str, top1: dict[str, list[float]] | None = None) -> Results:
    Benchmark(datasets=datasets).write(root)
    for strategy, values in (top1 or {}).items():
        path = root / "results" / datasets[0] / "resnet50_vd" / strategy / "final.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"top1": values}))
        write_predictions(path.with_name("predictions.parquet"), datasets[0], range(3), values)
    return read_results(root, [CellName(d, "resnet50_vd", s) for d in datasets for s in STRATEGIES])


def test_one_dataset_is_answered_in_a_few_lines(tmp_path: Path) -> None:
    measured = {"fixed": [0.5, 0.5, 0.5], "grid": [0.9, 0.91, 0.92]}
    results = read(tmp_path, "digits", top1=measured)
    [place] = places(results.cells)
    facts = answer(place)
    assert facts is not None
    titled = dict(facts.lines)
    assert list(titled)[:5] == [
        "Setting to use",
        "Test accuracy",
        "Gain over the fixed scheme",
        "Cost of the search",
        "Model",
    ]
    assert titled["Cost of the search"] == (
        "grid 12 trials, 2.7 min; bayes 6 trials, 81 s of device time"
    )
    assert titled["Setting to use"].startswith("lr 0.03, ")
    assert titled["Setting to use"].endswith(" (found by grid and bayes)")
    good, sure = titled["Test accuracy"].split(", with 95 % confidence ")
    assert good == "91.00 % of 200 images"
    assert sure.endswith(" % (refits 90.00, 91.00, 92.00; the model is the first)")
    assert titled["Without training"] == (
        "10.00 % by chance, 10.00 % by always answering 'class 0', the largest class"
    )
    assert titled["Test split opened"].startswith("by 6 trainings so far, under any recipe")
    assert titled["Gain over the fixed scheme"].startswith("+41.00 [")
    assert titled["Model"] == f"`{tmp_path}/results/digits/resnet50_vd/grid/model`"


def test_without_a_search_nothing_is_said_of_one(tmp_path: Path) -> None:
    Benchmark(strategies=("fixed",), seeds=(0,)).write(tmp_path)
    cells = read_results(tmp_path, [CellName("digits", "resnet50_vd", "fixed")]).cells
    [place] = places(cells)
    facts = answer(place)
    assert facts is not None
    titled = dict(facts.lines)
    assert titled["Setting to use"].endswith(" (the fixed scheme)")
    assert "Cost of the search" not in titled
    assert "Gain over the fixed scheme" not in titled
    table = strategy_table(place)
    assert [each.key for each in table.columns] == [
        *("strategy", "setting", "top1", "trials", "seconds"),
    ]
    assert "Test top-1: of one refit." in table.caption


def test_one_search_that_found_the_setting_is_the_cost(tmp_path: Path) -> None:
    Benchmark(strategies=("fixed", "bayes")).write(tmp_path)
    names = [CellName("digits", "resnet50_vd", each) for each in ("fixed", "bayes")]
    [place] = places(read_results(tmp_path, names).cells)
    facts = answer(place)
    assert facts is not None
    assert dict(facts.lines)["Cost of the search"] == "6 trials, 81 s of device time"


def test_one_refit_has_the_interval_of_its_model_card(tmp_path: Path) -> None:
    [place] = places(read(tmp_path, "digits").cells)
    cell = place.cells["bayes"]
    assert cell.final is not None
    final = cell.final.model_copy(update={"top1": [1.0], "seeds": [0], "top1_mean": 1.0})
    alone = replace(cell, final=final)
    assert accuracy(alone, final) == (
        "100.00 % of 200 images, with 95 % confidence 98.12 to 100.00 % (one training; the "
        "interval covers other test images, but no other seed)"
    )
    assert accuracy(alone, final.model_copy(update={"protocol": "paddle"})) == (
        "100.00 % of 200 images (one training)"
    )


def test_a_setting_chosen_by_its_classes_is_shown_with_their_mean(tmp_path: Path) -> None:
    [place] = places(read(tmp_path, "digits").cells)
    by_classes = {
        name: replace(cell, best=cell.best.model_copy(update={"chosen_by": "mean_class"}))
        for name, cell in place.cells.items()
    }
    facts, others = answer(replace(place, cells=by_classes)), answer(place)
    assert facts is not None
    assert others is not None
    assert dict(facts.lines)["Mean of the classes"].endswith(
        "] % on the test images; the setting was chosen by validation mean accuracy per class"
    )
    assert "Mean of the classes" not in dict(others.lines)


def test_every_strategy_has_its_cost_in_units_a_person_reads(tmp_path: Path) -> None:
    results = read(tmp_path, "digits")
    [place] = places(results.cells)
    table = strategy_table(place)
    assert [row[-2:] for row in table.shown()] == [["1", "12 s"], ["12", "2.7 min"], ["6", "81 s"]]
    assert cost(results.cells).text.endswith("12 trials, 2.7 min; bayes 6 trials, 81 s.")


def test_the_table_has_the_published_shape_and_an_average(tmp_path: Path) -> None:
    cells = read(tmp_path, "dtd", "flowers102").cells
    table = result_table(cells, {cell.name: 0.8 for cell in cells}, table1())
    headings = [column.heading for column in table.columns if column.group == "Grid"]
    assert headings == ["held-out", "paddle", "published", "diff.", "trials"]
    assert [column.key for column in table.columns[-3:]] == ["chance", "majority", "openings"]
    [footer] = table.footers
    for ours, *values in zip(footer[1:], *(row[1:] for row in table.rows), strict=True):
        assert ours == pytest.approx(sum(values) / 2)


def test_many_datasets_are_each_answered_in_a_row(tmp_path: Path) -> None:
    measured = {"fixed": [0.5, 0.5, 0.5], "grid": [0.9, 0.91, 0.92]}
    results = read(tmp_path, "digits", "dtd", top1=measured)
    table = answer_table(places(results.cells))
    assert table is not None
    shown = dict(zip((column.key for column in table.columns), table.shown()[0], strict=True))
    assert len(table.rows) == 2
    assert shown["setting"].startswith("lr 0.03, ")
    assert shown["top1"].startswith("91.00 [")
    assert shown["gain"].startswith("+41.00 [")
    assert shown["model"] == f"{tmp_path}/results/digits/resnet50_vd/grid/model"


def test_a_row_with_a_gap_stays_out_of_the_average(tmp_path: Path) -> None:
    read(tmp_path, "dtd", "flowers102", "digits")
    (tmp_path / "results/digits/resnet50_vd/bayes/final.json").unlink()
    datasets = ("dtd", "flowers102", "digits")
    names = [CellName(d, "resnet50_vd", s) for d in datasets for s in STRATEGIES]
    table = result_table(read_results(tmp_path, names).cells, {}, {})
    [footer] = table.footers
    assert footer[1] == pytest.approx(sum(row[1] for row in table.rows[:2]) / 2)  # type: ignore[misc]
    assert result_table(read(tmp_path / "one", "dtd").cells, {}, {}).footers == []


def two_networks(root: Path) -> Results:
    """Two datasets with two networks; the second one is better on dtd."""
    models = ("resnet50_vd", "other")
    Benchmark(datasets=("digits", "dtd"), models=models).write(root)
    for strategy in STRATEGIES:
        path = root / "results/dtd/other" / strategy / "best.yaml"
        best = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(best | {"objective": 0.999}))
    names = itertools.product(("digits", "dtd"), models, STRATEGIES)
    return read_results(root, [CellName(*each) for each in names])


def test_of_several_networks_the_best_on_validation_is_the_answer(tmp_path: Path) -> None:
    table = answer_table(places(two_networks(tmp_path).cells))
    assert table is not None
    assert [row[:2] for row in table.shown()] == [
        ["Synthetic digits", "Synthetic resnet50_vd"],
        ["Synthetic dtd", "Synthetic other"],
    ]
    assert "of all strategies and networks" in table.caption


def test_networks_are_not_averaged_together(tmp_path: Path) -> None:
    table = result_table(two_networks(tmp_path).cells, {}, {})
    assert [footer[:2] for footer in table.footers] == [
        ["Average", "Synthetic resnet50_vd"],
        ["Average", "Synthetic other"],
    ]
    assert table.columns[1].heading == "Network"
    for footer, model in zip(table.footers, ("resnet50_vd", "other"), strict=True):
        rows = [row for row in table.rows if row[1] == f"Synthetic {model}"]
        assert len(rows) == 2
        assert footer[2] == pytest.approx(sum(row[2] for row in rows) / 2)  # type: ignore[misc]


def test_an_interval_stays_where_an_accuracy_can_be(tmp_path: Path) -> None:
    results = read(tmp_path, "digits", top1={"grid": [1.0, 0.98, 1.0]})
    top1 = results.cells[1].top1
    assert top1 is not None
    assert top1.low is not None
    assert top1.high is not None
    assert 0.9 < top1.low < top1.mean < top1.high <= 1.0


def test_strategies_are_compared_pair_by_pair(tmp_path: Path) -> None:
    measured = {"fixed": [0.5, 0.5, 0.5], "grid": [0.9, 0.91, 0.92], "bayes": [0.9, 0.92, 0.91]}
    results = read(tmp_path, "digits", top1=measured)
    table = comparison_table(places(results.cells))
    assert table is not None
    shown = dict(zip((column.key for column in table.columns), table.shown()[0], strict=True))
    assert shown["grid_fixed_reading"] == "grid is better"
    assert shown["bayes_fixed"].startswith("+41.00 [")
    assert shown["bayes_grid_reading"].startswith(("undecided", "same point"))


def test_validation_far_from_test_is_explained(tmp_path: Path) -> None:
    near = read(tmp_path, "digits")
    objective = near.cells[1].best.objective
    around = [objective - 0.01, objective, objective + 0.01]
    measured = dict.fromkeys(("grid", "bayes"), around)
    measured["fixed"] = [near.cells[0].best.objective + each for each in (-0.3, -0.31, -0.29)]
    text = surprises(read(tmp_path, "digits", top1=measured).cells)
    assert text is not None
    assert "digits, fixed (" in text.text
    assert "digits, grid (" not in text.text


def test_of_several_networks_a_surprise_says_which(tmp_path: Path) -> None:
    text = surprises(two_networks(tmp_path).cells)
    assert text is not None
    assert "Synthetic digits, Synthetic resnet50_vd, grid (" in text.text
    assert "Synthetic digits, Synthetic other, grid (" in text.text
