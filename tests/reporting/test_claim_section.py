"""The figures of a cell, the comparison with the published ones, and the claim."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import UserError
from pipeline.base.statistics import Interval
from pipeline.reporting.cell_groups import places
from pipeline.reporting.cell_tables import cell_table, same_as
from pipeline.reporting.claim_section import Claim, as_stated, claim_section, claims, verdicts
from pipeline.reporting.document import Text
from pipeline.reporting.for_dvc import metrics
from pipeline.reporting.overview import overview
from pipeline.reporting.paddle_figures import FIGURES, read_figures, write_figures
from pipeline.reporting.published import table1
from pipeline.reporting.result_table import result_table
from pipeline.reporting.results import Cell, CellName, Results, read_results
from tests.support.synthetic_results import Benchmark, paddle, write_predictions

STRATEGIES = ("fixed", "grid", "bayes")
CELL = Path("results/dtd/resnet50_vd")


def read(root: Path, benchmark: Benchmark) -> Results:
    benchmark.write(root)
    names = [
        CellName(d, m, s)
        for d in benchmark.datasets
        for m in benchmark.models
        for s in benchmark.strategies
    ]
    return read_results(root, names)


def set_test_accuracy(root: Path, strategy: str, top1: list[float]) -> None:
    path = root / CELL / strategy / "final.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"top1": top1}))
    write_predictions(path.with_name("predictions.parquet"), "dtd", range(len(top1)), top1)


def test_the_published_figures_are_the_tables() -> None:
    published = table1()
    assert len(published) == 8
    assert published["dtd"].top1 == {"fixed": 0.7687, "grid": 0.7753, "bayes": 0.7747}
    assert published["dtd"].trials == {"grid": 196, "bayes": 13}
    losses = {name: round(100 * row.loss, 2) for name, row in published.items()}
    assert losses["oxford_iiit_pet"] == 0.51
    assert max(loss for name, loss in losses.items() if name != "oxford_iiit_pet") <= 0.4


def published_rows(cells: list[Cell], paddle: Mapping[CellName, float]) -> list[dict[str, Any]]:
    table = result_table(cells, paddle, table1())
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def test_a_figure_of_the_heldout_protocol_is_not_subtracted_from_a_published_one(
    tmp_path: Path,
) -> None:
    read(tmp_path, Benchmark(datasets=("dtd",)))
    set_test_accuracy(tmp_path, "grid", [0.78, 0.79, 0.80])
    results = read_results(tmp_path, [CellName("dtd", "resnet50_vd", s) for s in STRATEGIES])
    [row] = published_rows(results.cells, {})
    assert row["grid_published_top1"] == 0.7753
    assert row["grid_heldout_top1"] == pytest.approx(0.79)
    assert not any("paddle" in key for key in row)


def test_without_a_published_dataset_there_is_no_published_figure(tmp_path: Path) -> None:
    [row] = published_rows(read(tmp_path, Benchmark()).cells, {})
    assert not any("published" in key for key in row)


def test_replayed_trials_count_at_their_recorded_cost(tmp_path: Path) -> None:
    results = read(tmp_path, Benchmark())
    bayes = results.cells[2]
    assert len(bayes.trials) == 6
    assert bayes.seconds == pytest.approx(sum(12.5 + n % 3 for n in range(6)))


def test_strategies_that_chose_the_same_point_say_so(tmp_path: Path) -> None:
    results = read(tmp_path, Benchmark(bayes_trials=12))
    assert [same_as(cell, results.cells) for cell in results.cells] == [[], ["bayes"], ["grid"]]
    [claim] = claims(places(results.cells), {})
    assert verdicts([claim]) == ["same point"]
    assert claim.loss == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("grid", "bayes", "reading"),
    [
        ([0.90, 0.91, 0.92], [0.89, 0.90, 0.911], "grid is better"),
        ([0.89, 0.90, 0.911], [0.90, 0.91, 0.92], "grid is worse"),
        ([0.90, 0.91, 0.92], [0.92, 0.90, 0.91], "undecided"),
    ],
)
def test_the_claim_is_paired_over_seeds(
    tmp_path: Path, grid: list[float], bayes: list[float], reading: str
) -> None:
    benchmark = Benchmark(datasets=("dtd",), bayes_trials=1)
    read(tmp_path, benchmark)
    set_test_accuracy(tmp_path, "grid", grid)
    set_test_accuracy(tmp_path, "bayes", bayes)
    results = read_results(tmp_path, [CellName("dtd", "resnet50_vd", s) for s in STRATEGIES])
    [claim] = claims(places(results.cells), table1())
    assert claim.loss.mean == pytest.approx(sum(grid) / 3 - sum(bayes) / 3, abs=1e-4)
    assert claim.published is not None
    assert claim.published.loss == pytest.approx(0.0006)
    assert not claim.difference.same_point
    assert verdicts([claim])[0].startswith(reading)


def test_one_seed_allows_no_verdict(tmp_path: Path) -> None:
    results = read(tmp_path, Benchmark(datasets=("dtd",), bayes_trials=1, seeds=(0,)))
    [claim] = claims(places(results.cells), {})
    assert verdicts([claim]) == ["no interval: needs the predictions of two seeds"]


@pytest.mark.parametrize(
    ("loss", "reading"),
    [
        (Interval(0.001, -0.001, 0.003), "yes"),
        (Interval(0.0, 0.0, 0.0), "yes"),
        (Interval(0.003, 0.001, 0.005), "undecided"),
        (Interval(0.008, 0.005, 0.011), "no"),
        (Interval(0.001, None, None), ""),
        (None, ""),
    ],
)
def test_a_loss_is_held_against_the_published_text(loss: Interval | None, reading: str) -> None:
    """Which says that Bayesian search loses 0 to 0.4 points."""
    assert as_stated(loss) == reading


def test_the_claim_is_also_put_to_all_published_datasets(tmp_path: Path) -> None:
    results = read(tmp_path, Benchmark(datasets=("dtd", "flowers102", "digits")))
    found = claims(places(results.cells), table1())
    (text, _) = claim_section(found).blocks
    losses = [100 * c.loss.mean for c in found if c.grid.name.dataset != "digits"]
    assert isinstance(text, Text)
    assert "2 datasets with a published loss" in text.text
    assert f"{sum(losses) / 2:+.2f}" in text.text
    (text, _) = claim_section(found[2:]).blocks
    assert isinstance(text, Text)
    assert "datasets with a published" not in text.text


def test_replayed_searches_are_read_at_the_trials_bayes_had(tmp_path: Path) -> None:
    results = read(tmp_path, Benchmark(datasets=("dtd",), bayes_trials=1))
    path = tmp_path / CELL / "grid/final.json"
    replays = {"replays": {"gaps": [[0.02, 0.0], [0.003, 0.0]]}}
    path.write_text(json.dumps(json.loads(path.read_text()) | replays))
    results = read_results(tmp_path, [cell.name for cell in results.cells])
    [claim] = claims(places(results.cells), {})
    assert len(claim.searches) == 2
    assert claim.replayed is not None
    assert claim.replayed.mean == pytest.approx(0.0115)
    assert claim.within == 0.5


def test_a_patient_search_is_held_against_replays_that_end_by_themselves(tmp_path: Path) -> None:
    """It may have stopped early by luck; another of its kind would have gone on."""
    read(tmp_path, Benchmark(datasets=("dtd",), bayes_trials=1))
    path = tmp_path / CELL / "grid/final.json"
    replays = {"replays": {"gaps": [[0.02, 0.01], [0.04, 0.01]]}}
    path.write_text(json.dumps(json.loads(path.read_text()) | replays))
    best = tmp_path / CELL / "bayes/best.yaml"
    best.write_text(best.read_text() + "search: {patience: 1}\n")
    names = [CellName("dtd", "resnet50_vd", s) for s in STRATEGIES]
    [claim] = claims(places(read_results(tmp_path, names).cells), {})
    assert claim.replayed is not None
    assert claim.replayed.mean == pytest.approx(0.01)


def test_the_reason_why_nothing_is_replayed_is_stated(tmp_path: Path) -> None:
    results = read(tmp_path, Benchmark(datasets=("dtd",)))
    (text, _) = claim_section(claims(places(results.cells), {})).blocks
    assert isinstance(text, Text)
    assert "evaluate the grid again" in text.text
    trials = tmp_path / CELL / "grid/trials.csv"
    lines = trials.read_text().splitlines()
    first = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    for name in ("objective", "top1", "top5", "mean_class", "loss", "train_loss"):
        first[name] = ""
    lines[1] = ",".join((first | {"status": "failed"}).values())
    trials.write_text("\n".join(lines))
    results = read_results(tmp_path, [cell.name for cell in results.cells])
    (text, _) = claim_section(claims(places(results.cells), {})).blocks
    assert isinstance(text, Text)
    assert "a trial of the grid failed" in text.text
    table = cell_table(results.cells)
    place = [column.key for column in table.columns].index("failed")
    assert [row[place] for row in table.rows] == [0, 1, 0]
    assert "diverged" not in [column.key for column in table.columns]
    assert "not recorded" in table.caption


def test_two_models_are_each_held_against_the_published_losses(tmp_path: Path) -> None:
    both = Benchmark(datasets=("dtd", "flowers102"), models=("a", "b"))
    found = claims(places(read(tmp_path, both).cells), table1())
    (text, _) = claim_section(found).blocks
    assert isinstance(text, Text)
    for model in ("a", "b"):
        ours = [100 * c.loss.mean for c in found if c.grid.name.model == model]
        shown = f"{sum(ours) / 2:+.2f}".replace("-", "\N{MINUS SIGN}")
        assert re.search(
            rf"{re.escape(shown)} \[\S+ \S+\] points here, with Synthetic {model}", text.text
        )
    assert "points here" not in claim_section(found[:2]).blocks[0].text  # type: ignore[union-attr]


def test_a_claim_needs_both_sides_evaluated(tmp_path: Path) -> None:
    read(tmp_path, Benchmark(datasets=("dtd",)))
    (tmp_path / CELL / "bayes/final.json").unlink()
    results = read_results(tmp_path, [CellName("dtd", "resnet50_vd", s) for s in STRATEGIES])
    assert claims(places(results.cells), {}) == []


def test_figures_of_the_paddle_protocol_stand_beside_the_published_ones(tmp_path: Path) -> None:
    benchmark = Benchmark(datasets=("dtd",))
    ours = read(tmp_path / "ours", benchmark).cells
    theirs = read(tmp_path / "paddle", paddle(benchmark)).cells
    write_figures(tmp_path / FIGURES, theirs)
    [row] = published_rows(ours, read_figures(tmp_path / FIGURES))
    [alone] = published_rows(theirs, {})
    for strategy, cell, heldout in zip(STRATEGIES, theirs, ours, strict=True):
        assert cell.top1 is not None
        assert heldout.top1 is not None
        assert row[f"{strategy}_paddle_top1"] == cell.top1.mean
        assert (
            row[f"{strategy}_paddle_difference"] == cell.top1.mean - table1()["dtd"].top1[strategy]
        )
        assert row[f"{strategy}_heldout_top1"] == heldout.top1.mean
        assert alone[f"{strategy}_paddle_top1"] == cell.top1.mean
    assert not any("heldout" in key for key in alone)


def test_figures_of_the_paddle_protocol_stand_where_ours_are_missing(tmp_path: Path) -> None:
    ours = read(tmp_path, Benchmark(datasets=("dtd",), strategies=("grid",))).cells
    theirs = {
        CellName("dtd", "resnet50_vd", "bayes"): 0.8,
        CellName("flowers102", "resnet50_vd", "bayes"): 0.9,
    }
    rows = published_rows(ours, theirs)
    assert [row["dataset"] for row in rows] == ["Synthetic dtd", "flowers102"]
    assert rows[0]["bayes_paddle_difference"] == pytest.approx(0.8 - 0.7747)
    assert rows[1]["bayes_paddle_top1"] == 0.9
    published = table1()["flowers102"].top1["bayes"]
    assert rows[1]["bayes_paddle_difference"] == pytest.approx(0.9 - published)
    assert rows[1]["grid_heldout_top1"] is None


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ((0, 1), "mean over refits, with its 95 % interval where one is given, under 2 seeds"),
        (
            (0,),
            "of one refit of the point that was best on validation, so the tables have no interval",
        ),
        (None, "Nothing is evaluated yet"),
    ],
)
def test_what_an_accuracy_is_made_of_is_stated(
    tmp_path: Path, seeds: tuple[int, ...] | None, words: str
) -> None:
    read(tmp_path, Benchmark(datasets=("dtd",), strategies=("grid",), seeds=seeds or (0,)))
    if seeds is None:
        (tmp_path / CELL / "grid/final.json").unlink()
    results = read_results(tmp_path, [CellName("dtd", "resnet50_vd", "grid")])
    section = overview(results, {}, {})
    assert words in "\n".join(b.text for b in section.blocks if isinstance(b, Text))


def test_figures_nobody_wrote_are_one_clear_line(tmp_path: Path) -> None:
    assert read_figures(tmp_path / FIGURES) == {}, "that pipeline has not run"
    (tmp_path / FIGURES).write_text("dataset,model,strategy,top1\ndtd,resnet50_vd,grid,77.5\n")
    with pytest.raises(
        UserError, match=r"figures\.csv: line 2: top1: .*'77\.5'.*paddle_protocol/dvc.yaml:report"
    ):
        read_figures(tmp_path / FIGURES)


def test_an_unevaluated_cell_has_the_title_of_its_dataset(tmp_path: Path) -> None:
    read(tmp_path, Benchmark(datasets=("dtd",)))
    (tmp_path / CELL / "grid/final.json").unlink()
    results = read_results(tmp_path, [CellName("dtd", "resnet50_vd", s) for s in STRATEGIES])
    assert {cell.dataset_title for cell in results.cells} == {"Synthetic dtd"}
    assert {cell.model_title for cell in results.cells} == {"Synthetic resnet50_vd"}


def test_unevaluated_cells_show_their_search(tmp_path: Path) -> None:
    read(tmp_path, Benchmark(datasets=("dtd",)))
    for strategy in STRATEGIES:
        (tmp_path / CELL / strategy / "final.json").unlink()
    results = read_results(tmp_path, [CellName("dtd", "resnet50_vd", s) for s in STRATEGIES])
    section = overview(results, {}, table1())
    assert section.sections == []
    assert {cell.top1 for cell in results.cells} == {None}
    assert set(metrics(results.cells, several_models=False)["dtd"]["grid"]) == {
        "validation_top1",
        "trials",
    }


def test_claims_are_one_per_dataset_and_model(tmp_path: Path) -> None:
    results = read(tmp_path, Benchmark(datasets=("dtd", "digits"), models=("a", "b")))
    found = claims(places(results.cells), table1())
    assert [(c.grid.name.dataset, c.grid.name.model) for c in found] == [
        (d, m) for d in ("dtd", "digits") for m in ("a", "b")
    ]
    assert all(isinstance(claim, Claim) for claim in found)
    assert [c.published is None for c in found] == [False, False, True, True]
