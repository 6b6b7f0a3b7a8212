from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.base.errors import UserError
from pipeline.search.grid import FinishedGrid


def test_rows_in_any_order_find_their_place(table: pd.DataFrame) -> None:
    grid = FinishedGrid.from_table(table)
    assert grid.objective.shape == (7, 3, 2, 2)
    assert grid.values["lr"][0] == 0.1
    assert grid.values["mixup"] == [False, True]
    for row in table.to_dict("records")[:20]:
        point = tuple(list(grid.values[n]).index(row[n]) for n in grid.values)
        assert grid.objective[point] == row["objective"]
        assert grid.test is not None
        assert grid.test[point] == row["test"]


def test_the_fixed_scheme_is_found_where_the_grid_holds_it(table: pd.DataFrame) -> None:
    assert FinishedGrid.from_table(table).fixed_scheme == (3, 1, 0, 0)
    assert FinishedGrid.from_table(table[table.lr != 0.003]).fixed_scheme is None


def test_a_table_survives_the_way_through_csv(table: pd.DataFrame, tmp_path: Path) -> None:
    lower = table.assign(mixup=table.mixup.map({True: "true", False: "false"}))
    lower.to_csv(tmp_path / "grid.csv", index=False)
    loaded = FinishedGrid.load(tmp_path / "grid.csv")
    assert np.array_equal(loaded.objective, FinishedGrid.from_table(table).objective)
    assert loaded.fixed_scheme == (3, 1, 0, 0)


def test_percent_is_understood_and_a_missing_accuracy_is_a_diverged_trial(
    table: pd.DataFrame,
) -> None:
    percent = table.assign(objective=100 * table.objective)
    expected = FinishedGrid.from_table(table).objective
    assert FinishedGrid.from_table(percent).objective == pytest.approx(expected)
    table.loc[0, "objective"] = np.nan
    assert FinishedGrid.from_table(table).objective.min() == 0.0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="mixup"), "no column mixup"),
        (lambda t: t.iloc[1:], "83 rows, 83 different points; .* 7 x 3 x 2 x 2 = 84"),
        (lambda t: pd.concat([t.iloc[1:], t.iloc[1:2]]), "84 rows, 83 different points"),
        (lambda t: t.assign(objective="high"), "column objective holds something"),
    ],
)
def test_what_is_no_finished_grid_is_refused(table, spoil, message) -> None:
    with pytest.raises(UserError, match=message):
        FinishedGrid.from_table(spoil(table))


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "grid.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"grid\.csv: "):
        FinishedGrid.load(path)
