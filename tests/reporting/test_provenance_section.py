"""The foot of the report: where its figures come from."""

from pathlib import Path

import yaml

from pipeline.reporting.provenance_section import provenance
from pipeline.reporting.results import Cell, CellName, read_results
from pipeline.reporting.tables import Table
from tests.support.synthetic_results import Benchmark

DATASETS = ("digits", "leaves")
STRATEGIES = ("fixed", "grid", "bayes")


def cells(root: Path) -> list[Cell]:
    names = [CellName(d, "resnet50_vd", s) for d in DATASETS for s in STRATEGIES]
    return read_results(root, names).cells


def tables(found: list[Cell]) -> tuple[Table, dict[str, list[tuple[str, str]]]]:
    origins, parameters = (b for b in provenance(found).blocks if isinstance(b, Table))
    values_by_name: dict[str, list[tuple[str, str]]] = {}
    for name, value, which in parameters.rows:
        values_by_name.setdefault(str(name), []).append((str(value), str(which)))
    return origins, values_by_name


def test_what_all_share_is_said_once_and_the_rest_with_its_cells(tmp_path: Path) -> None:
    Benchmark(DATASETS).write(tmp_path)
    changed = tmp_path / "results" / "leaves" / "resnet50_vd" / "bayes" / "best.yaml"
    best = yaml.safe_load(changed.read_text())
    best["recipe"] |= {"batch_size": 64}
    best |= {"search": {"n_trials": 6, "patience": None}, "first": best["point"]}
    changed.write_text(yaml.safe_dump(best))
    origins, values_by_name = tables(cells(tmp_path))
    assert [row[0] for row in origins.rows] == [str(cell.name) for cell in cells(tmp_path)]
    assert values_by_name["space: lr"] == [("0.1, 0.03, 0.003", "grid, bayes")]
    assert values_by_name["point"] == [("lr 0.003, L2 decay 0.0001", "fixed")]
    assert values_by_name["recipe: epochs"] == [("4", "all")]
    odd = "leaves-resnet50_vd-bayes"
    assert values_by_name["recipe: batch_size"][1] == ("64", odd)
    assert values_by_name["search: n_trials"] == [("6", odd)]
    assert "search: patience" not in values_by_name
    assert values_by_name["machine"] == [
        ("synthetic: Synthetic, 2 cores, 2 threads a trial", "all")
    ]
    assert values_by_name["seeds of the refits"] == [("0, 1, 2", "all")]


def test_a_cell_that_is_not_evaluated_tells_what_is_known(tmp_path: Path) -> None:
    Benchmark(DATASETS).write(tmp_path)
    (tmp_path / "results" / "digits" / "resnet50_vd" / "fixed" / "final.json").unlink()
    origins, values_by_name = tables(cells(tmp_path))
    [row] = [row for row in origins.rows if row[0] == "digits-resnet50_vd-fixed"]
    assert row[1:5] == [None, "d" * 12, "w" * 12, "c" * 12]
    assert row[-1] is None
    assert values_by_name["seed"] == [("7", "all")]
