"""benchmarks/search.py, the script that compares searchers."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from pipeline.base.errors import UserError
from pipeline.search.grid import FinishedGrid
from searchers.variants import variant

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "search.py"


@pytest.fixture
def script(tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_of_search", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FOLDER = tmp_path / "searches"  # type: ignore[attr-defined]
    return module


@pytest.fixture
def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        script.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    axes = [[0.1, 0.01, 0.001], [1e-3, 1e-4, 1e-5], [True, False], [True, False]]
    points = pd.MultiIndex.from_product(
        axes, names=["lr", "l2_decay", "label_smoothing", "mixup"]
    ).to_frame(index=False)
    table = points.assign(objective=rng.random(36), test=rng.random(36))
    table.to_csv(tmp_path / "small.csv", index=False)
    return tmp_path / "small.csv"


def test_it_prints_tables_and_writes_figures(run, csv: Path, tmp_path: Path) -> None:
    searchers = ("--searchers", "sweeper", "without walk", "random")
    arguments = ("--grid", csv, "--seeds", 3, *searchers, "--workers", 1)
    figures = [tmp_path / "figure.svg", tmp_path / "again.svg"]
    printed = run(*arguments, "--json", tmp_path / "figures.json", "--figure", figures[0])
    for text in ("## small", "| sweeper ", "| random ", "Loss on the test column", "0.215"):
        assert text in printed
    assert "| regret, oracle " in printed
    small = json.loads((tmp_path / "figures.json").read_text())["grids"]["small"]
    curve = small["searchers"]["sweeper"]["gap"]
    assert curve["trials"] == list(range(5, 21))
    assert all(
        low <= mean <= high
        for low, mean, high in zip(curve["low"], curve["mean"], curve["high"], strict=True)
    )
    assert set(small["difference"]["random"]) == {"5", "10", "15", "20"}
    assert {each["searches"] for each in small["searchers"].values()} == {3}
    assert run(*arguments, "--figure", figures[1]) == printed
    assert "<svg" in figures[0].read_text()
    assert figures[0].read_bytes() == figures[1].read_bytes()


def test_the_oracle_makes_the_walk_and_then_takes_the_best_without_noise(
    script: ModuleType, csv: Path
) -> None:
    drawn = variant(FinishedGrid.load(csv), 0)
    walk = [(1, 0, 0, 0), (0, 0, 0, 0)]
    points = script.oracle(drawn, [*walk, *[(2, 1, 0, number) for number in range(2)] * 4])
    assert points[:2] == walk
    assert len(set(points)) == len(points) == 10
    untried = [float(drawn.truth[point]) for point in np.ndindex(3, 3, 2, 2) if point not in walk]
    assert [drawn.truth[point] for point in points[2:]] == sorted(untried, reverse=True)[:8]


def test_a_grid_without_test_column_has_no_loss_on_test(run, csv: Path, tmp_path: Path) -> None:
    pd.read_csv(csv).drop(columns="test").to_csv(csv, index=False)
    arguments = ("--grid", csv, "--seeds", 2, "--searchers", "random", "--workers", 1)
    printed = run(*arguments, "--figure", tmp_path / "figure.svg")
    assert "| random " in printed
    assert "test column" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "nowhere.csv"], r"nowhere\.csv: cannot be read"),
        (["--seeds", "1"], "--seeds or --few-seeds 1: an interval needs at least 2"),
    ],
)
def test_mistakes_are_named(run, csv: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run("--grid", csv, *arguments)
