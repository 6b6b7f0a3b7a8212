from pathlib import Path

import pandas as pd
import pytest

from benchmarks.searchers import traces
from pipeline.search.grid import FinishedGrid, Index

Found = dict[tuple[str, int], list[Index]]


@pytest.fixture
def grid(table: pd.DataFrame) -> FinishedGrid:
    return FinishedGrid.from_table(table)


def search(grid: FinishedGrid, folder: Path, seeds: int, searchers: tuple[str, ...]) -> Found:
    made = traces.search(grid, searchers, seeds=seeds, n_trials=6, folder=folder, workers=1)
    return {(name, seed): points for name, seed, points in made}


def test_an_interrupted_comparison_goes_on_and_ends_the_same(
    grid: FinishedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("random", "optuna-tpe")
    whole = search(grid, tmp_path / "whole", 4, names)
    assert set(whole) == {(name, seed) for name in names for seed in range(4)}
    search(grid, tmp_path / "part", 2, names)
    for file in (tmp_path / "part").iterdir():  # the last line was being written
        file.write_text(file.read_text() + "\n[3, [[0, 0, 0, 0], [1, 0")
    asked: list[int] = []
    trace = traces.replay.trace

    def counted(*args: object, seed: int, **options: object) -> list[Index]:
        asked.append(seed)
        return trace(*args, seed=seed, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(traces.replay, "trace", counted)
    assert search(grid, tmp_path / "part", 4, names) == whole
    assert sorted(asked) == [2, 2, 3, 3]
    assert search(grid, tmp_path / "part", 4, names) == whole
    assert len(asked) == 4


def test_another_grid_takes_nothing_from_the_first(grid: FinishedGrid, tmp_path: Path) -> None:
    search(grid, tmp_path, 1, ("random",))
    other = FinishedGrid(grid.values, grid.objective / 2)
    search(other, tmp_path, 1, ("random",))
    assert len(list(tmp_path.iterdir())) == 2
