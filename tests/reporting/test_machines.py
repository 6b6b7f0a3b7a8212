"""Figures of two kinds of machine in one report are pointed out."""

import csv
from pathlib import Path

import pytest
import yaml

from pipeline.reporting.content import compose_report
from pipeline.reporting.document import Text
from pipeline.reporting.results import CellName, read_results
from pipeline.settings.machine import hardware, kind
from tests.support.synthetic_results import Benchmark

STRATEGIES = ("fixed", "grid", "bayes")


def notices(root: Path) -> list[str]:
    results = read_results(root, [CellName("digits", "resnet50_vd", s) for s in STRATEGIES])
    report = compose_report("", results, {}, {}, ["resnet50_vd"])
    first = report.sections[0].blocks
    return [block.text for block in first if isinstance(block, Text) and block.kind == "notice"]


def computed_on(path: Path, hardware: str) -> None:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", newline="") as file:
        place = header.index("hardware")
        csv.writer(file).writerows(
            [header, *([*r[:place], hardware, *r[place + 1 :]] for r in rows)]
        )


def test_one_kind_of_machine_is_not_worth_a_word(tmp_path: Path) -> None:
    Benchmark().write(tmp_path)
    grid = tmp_path / "results" / "digits" / "resnet50_vd" / "grid"
    computed_on(grid / "runs.csv", "Synthetic, 64 cores, 500 GiB")
    assert notices(tmp_path) == []


def test_two_kinds_are_named_with_their_cells(tmp_path: Path) -> None:
    Benchmark().write(tmp_path)
    grid = tmp_path / "results" / "digits" / "resnet50_vd" / "grid"
    computed_on(grid / "final_runs.csv", "NVIDIA H100, 78 GiB")
    [notice] = notices(tmp_path)
    assert "NVIDIA H100 in float32: digits-resnet50_vd-grid; Synthetic in float32: " in notice


def test_two_precisions_are_named_with_their_cells(tmp_path: Path) -> None:
    Benchmark().write(tmp_path)
    path = tmp_path / "results" / "digits" / "resnet50_vd" / "bayes" / "best.yaml"
    best = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(best | {"machine": best["machine"] | {"precision": "bf16"}}))
    [notice] = notices(tmp_path)
    assert "Synthetic in bf16: digits-resnet50_vd-bayes" in notice


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ("AMD EPYC, 2 cores, 7 GiB", "AMD EPYC"),
        ("NVIDIA H100 80GB HBM3, 79 GiB", "NVIDIA H100 80GB HBM3"),
        ("Synthetic, 2 cores", "Synthetic"),
        ("Some, odd name", "Some, odd name"),
    ],
)
def test_the_kind_of_a_machine_leaves_out_cores_and_memory(described: str, expected: str) -> None:
    assert kind(described) == expected


def test_the_kind_of_this_machine_has_neither_cores_nor_memory() -> None:
    assert " cores" not in kind(hardware("cpu"))
    assert kind(hardware("cpu")) == kind(kind(hardware("cpu")))
