"""Searches kept on disk between runs of the comparison."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.search.grid import FinishedGrid, Index
from searchers import traces
from searchers.peers import SEARCHERS

Found = dict[tuple[str, int], list[Index]]


@pytest.fixture
def grid(table: pd.DataFrame) -> FinishedGrid:
    return FinishedGrid.from_table(table)


def search(grids: list[FinishedGrid], folder: Path, *names: str) -> Found:
    searchers = {name: SEARCHERS[name] for name in names}
    made = traces.search(grids, searchers, n_trials=6, folder=folder, workers=1)
    return {(name, seed): points for name, seed, points in made}


def test_an_interrupted_comparison_makes_only_what_is_missing(
    grid: FinishedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("random", "optuna-tpe")
    search([grid] * 2, tmp_path, *names)
    asked: list[int] = []
    trace = traces.replay.trace

    def counted(*args: object, seed: int, **options: object) -> list[Index]:
        asked.append(seed)
        return trace(*args, seed=seed, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(traces.replay, "trace", counted)
    found = search([grid] * 4, tmp_path, *names)
    assert set(found) == {(name, seed) for name in names for seed in range(4)}
    assert sorted(asked) == [2, 2, 3, 3]
    assert search([grid] * 4, tmp_path, *names) == found
    assert len(asked) == 4


def test_another_grid_takes_nothing_from_the_first(
    grid: FinishedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search([grid], tmp_path, "random")
    asked: list[int] = []
    monkeypatch.setattr(
        traces.replay, "trace", lambda *args, seed, **options: asked.append(seed) or []
    )
    search([FinishedGrid(grid.values, grid.objective / 2)], tmp_path, "random")
    assert asked == [0]
