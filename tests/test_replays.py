"""Replaying the search on a finished grid of the project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import UserError
from pipeline.replays import write_replays
from pipeline.reporting.results import CellName, read_results
from tests.reporting.synthetic import Benchmark

GRID = Path("results/digits/resnet50_vd/grid")


def test_replays_are_gaps_to_the_grids_best_and_the_report_reads_them(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    lost = write_replays(tmp_path / GRID, n_trials=4, searches=3)
    assert lost.shape == (3, 4)
    assert (np.diff(lost, axis=1) <= 0).all()
    [cell] = read_results(tmp_path, [CellName("digits", "resnet50_vd", "grid")]).cells
    assert cell.replays is not None
    assert cell.replays.gaps == lost.tolist()
    objectives = [row.objective or 0.0 for row in cell.trials]
    possible = [max(objectives) - objective for objective in objectives]
    assert all(np.isclose(possible, gap).any() for gap in lost.ravel())


def test_a_search_of_every_point_loses_nothing(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    lost = write_replays(tmp_path / GRID, n_trials=99, searches=1)
    assert lost.shape == (1, 12)
    assert lost[0, -1] == 0


def test_a_grid_that_is_not_there_or_not_whole_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trials\.csv is not there: the grid has to be finished"):
        write_replays(tmp_path / GRID, 5)
    Benchmark(strategies=("grid",)).write(tmp_path)
    path = tmp_path / GRID / "trials.csv"
    path.write_text(path.read_text().replace("finished", "failed", 1))
    with pytest.raises(UserError, match="some trials failed"):
        write_replays(tmp_path / GRID, 5)
    lines = path.read_text().replace("failed", "finished").splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError, match="11 different points"):
        write_replays(tmp_path / GRID, 5)
    assert not (tmp_path / GRID / "replays.json").exists()


def test_replays_are_the_same_every_time(tmp_path: Path) -> None:
    Benchmark(strategies=("grid",)).write(tmp_path)
    write_replays(tmp_path / GRID, n_trials=5, searches=2)
    first = json.loads((tmp_path / GRID / "replays.json").read_text())
    write_replays(tmp_path / GRID, n_trials=5, searches=2)
    assert json.loads((tmp_path / GRID / "replays.json").read_text()) == first
