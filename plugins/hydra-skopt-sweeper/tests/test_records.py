"""The files of a sweep."""

from dataclasses import replace
from pathlib import Path

import pytest
from hydra_skopt_sweeper.errors import SweepError
from hydra_skopt_sweeper.records import Trial, read_results, read_table, write_table


def trial(number: int, objective: float | None) -> Trial:
    return Trial(
        trial=number,
        job=number,
        dir=f"lr=0.1,kind='{number}'",
        kind="model",
        status="failed" if objective is None else "finished",
        error="out of memory, twice" if objective is None else "",
        objective=objective,
        spread=None,
        seconds=1.5,
        acquisition=1e-300,
        predicted_mean=0.1 + 0.2,
        predicted_std=None,
        params={"lr": "1e-05", "kind": "'a, \"b\"'"},
    )


def test_a_table_reads_back_exactly(tmp_path: Path) -> None:
    trials = [trial(0, 1 / 3), trial(1, None)]
    write_table(tmp_path, ["lr", "kind"], trials)
    assert read_table(tmp_path, ["lr", "kind"]) == trials


def test_a_parameter_named_like_a_column_is_set_apart(tmp_path: Path) -> None:
    write_table(tmp_path, ["lr", "kind"], [])
    assert (tmp_path / "sweep.csv").read_text().endswith(",lr,params.kind\n")


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    write_table(tmp_path, ["lr", "kind"], [trial(0, 0.5)])
    text = "\ud800"  # what no file can hold
    with pytest.raises(UnicodeEncodeError):
        write_table(tmp_path, ["lr"], [replace(trial(0, 0.6), params={"lr": text})])
    assert read_table(tmp_path, ["lr", "kind"]) == [trial(0, 0.5)]
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.csv"]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe\xff", b""])
def test_damaged_results_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "optimization_results.yaml").write_bytes(content)
    with pytest.raises(SweepError, match="optimization_results"):
        read_results(tmp_path)
