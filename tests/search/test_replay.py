"""Replaying the search on a finished grid of the project."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.reporting.cell_groups import places
from pipeline.reporting.gap_section import gap_chart
from pipeline.reporting.results import CellName, read_results
from pipeline.search.grid import FinishedGrid, Index
from pipeline.search.replay import gaps, losses_on_test, replays, trace
from pipeline.settings.compose import compose, sweeper_options
from pipeline.settings.point import HYPERPARAMETERS
from searchers.peers import SEARCHERS
from tests.support.synthetic_results import Benchmark

CELL = Path("results/digits/resnet50_vd")
TRIALS = CELL / "grid" / "trials.csv"
FIRST = {"lr": 0.03, "l2_decay": 0.0001, "label_smoothing": False, "mixup": False}


@pytest.fixture
def grid(table: pd.DataFrame) -> FinishedGrid:
    return FinishedGrid.from_table(table)


def options(first: dict[str, Any] = FIRST, **changed: Any) -> SkoptSweeperConf:
    return SkoptSweeperConf(initial_points=[first], **changed)


def test_replays_are_gaps_to_the_grids_best_and_the_report_draws_them(tmp_path: Path) -> None:
    Benchmark().write(tmp_path)
    found = replays(tmp_path / TRIALS, options(n_trials=4), searches=3)
    assert found is not None
    lost = np.array(found.gaps)
    assert lost.shape == (3, 4)
    assert (np.diff(lost, axis=1) <= 0).all()
    path = tmp_path / CELL / "grid" / "final.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"replays": found.model_dump()}))
    names = [CellName("digits", "resnet50_vd", s) for s in ("grid", "bayes")]
    [place] = places(read_results(tmp_path, names).cells)
    objectives = [row.objective or 0.0 for row in place.cells["grid"].trials]
    possible = [max(objectives) - objective for objective in objectives]
    assert all(np.isclose(possible, gap).any() for gap in lost.ravel())
    chart = gap_chart(place, None)
    assert chart is not None
    [drawn] = [s for s in chart.series if s.name == "bayes, mean of 3 replays"]
    assert drawn.y == pytest.approx(lost.mean(axis=0))


def test_a_search_of_every_point_loses_nothing(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    found = replays(tmp_path / TRIALS, options(n_trials=99), searches=1)
    assert found is not None
    assert len(found.gaps[0]) == 12
    assert found.gaps[0][-1] == 0


def test_replays_are_the_same_every_time(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    search = options(n_trials=5)
    first = replays(tmp_path / TRIALS, search, searches=2)
    assert replays(tmp_path / TRIALS, search, searches=2) == first


def test_replays_begin_where_the_projects_search_does_and_stop_when_it_does(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    table = pd.read_csv(tmp_path / TRIALS)
    top = table["objective"].max()
    for row in table.to_dict("records"):
        first = {name: row[name] for name in HYPERPARAMETERS}
        found = replays(tmp_path / TRIALS, options(first, n_trials=12, patience=1), searches=2)
        assert found is not None
        for lost in found.gaps:
            assert lost[0] == pytest.approx(top - row["objective"], abs=1e-8)
            idle = next(i for i in range(1, 12) if lost[i] == lost[i - 1])
            assert set(lost[idle:]) == {lost[idle]}


def test_a_batch_is_proposed_without_the_trials_in_it(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    one, four = (
        replays(tmp_path / TRIALS, options(n_trials=12, batch_size=size), searches=3)
        for size in (1, 4)
    )
    assert one is not None
    assert four is not None
    assert one != four
    assert [row[-1] for row in four.gaps] == [0, 0, 0]


def test_a_grid_with_a_failed_trial_is_not_replayed(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    path = tmp_path / TRIALS
    path.write_text(path.read_text().replace("finished", "failed", 1))
    assert replays(path, options()) is None


def test_a_grid_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trials\.csv is not there: the grid has to be finished"):
        replays(tmp_path / TRIALS, options())


def test_replays_do_what_the_strategys_file_says(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    cfg = compose(Path("quickstart"), ["search.bayes.n_trials=9", "lr=0.1"])
    asked = sweeper_options(cfg, "bayes")
    assert (asked.n_trials, asked.direction, asked.collapse_at) == (9, "maximize", 0.0)
    assert asked.initial_points == [FIRST | {"lr": 0.1}]
    blind = sweeper_options(cfg, "random")
    found, others = (replays(tmp_path / TRIALS, each, searches=3) for each in (asked, blind))
    assert found is not None
    assert others is not None
    assert [row[0] for row in found.gaps] == [row[0] for row in others.gaps]
    assert found != others


def test_a_first_point_outside_the_grid_is_left_out(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    found = replays(tmp_path / TRIALS, options(FIRST | {"lr": 7.0}, n_trials=4), searches=2)
    assert found == replays(tmp_path / TRIALS, SkoptSweeperConf(n_trials=4), searches=2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("collapse_at: 0.0", "colapse_at: 0.0", "'colapse_at'"),
        ("direction: maximize", "surrogate: forest", "hydra.sweeper.surrogate is 'forest'"),
        ("seed: ${seed}", "seed: ${oops}", "'oops'"),
    ],
)
def test_a_mistake_in_the_strategys_file_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    cfg = compose(Path("quickstart"))
    written = (Path("conf") / "strategy" / "bayes.yaml").read_text()
    assert old in written
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "bayes.yaml").write_text(written.replace(old, new))
    monkeypatch.setattr("pipeline.settings.compose.CONF", tmp_path)
    with pytest.raises(UserError, match=f"bayes.yaml: hydra.sweeper: .*{re.escape(words)}"):
        sweeper_options(cfg, "bayes")


def test_the_sweeper_begins_with_the_fixed_scheme_and_finds_the_best(grid: FinishedGrid) -> None:
    points = trace(grid, SEARCHERS["sweeper"], n_trials=20, seed=0)
    assert points[0] == grid.fixed_scheme
    assert len(set(points)) == 20
    assert gaps(grid, points)[-1] == 0


def test_more_trials_than_points_are_refused(grid: FinishedGrid) -> None:
    with pytest.raises(UserError, match="85 trials on a grid of 84 points"):
        trace(grid, SEARCHERS["sweeper"], n_trials=85, seed=0)


@settings(max_examples=30)
@given(st.data())
def test_a_search_that_saw_every_point_chooses_what_the_grid_chooses(data: st.DataObject) -> None:
    values = st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=8, max_size=8)
    objective, test = (np.reshape(data.draw(values), (2, 4)) for _ in range(2))
    grid = FinishedGrid({"a": range(2), "b": range(4)}, objective, test)
    points: list[Index] = [(int(i), int(j)) for i, j in np.ndindex(2, 4)]
    order = data.draw(st.permutations(points))
    assert losses_on_test(grid, order)[-1] == 0
    assert gaps(grid, order)[-1] == 0


def test_the_loss_on_test_is_that_of_the_point_chosen_on_the_objective() -> None:
    objective = np.array([[0.80, 0.90, 0.95]])
    test = np.array([[0.85, 0.70, 0.75]])
    grid = FinishedGrid({"a": [0], "b": [0, 1, 2]}, objective, test)
    assert losses_on_test(grid, [(0, 0), (0, 1), (0, 2)]) == pytest.approx([-10, 5, 0])
    assert gaps(grid, [(0, 1), (0, 0), (0, 2)]) == pytest.approx([5, 5, 0])
    with pytest.raises(ValueError, match="no test column"):
        losses_on_test(FinishedGrid(grid.values, objective), [(0, 0)])
