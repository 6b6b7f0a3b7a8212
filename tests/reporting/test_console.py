"""The first screen in a terminal of 80 columns."""

from itertools import product
from pathlib import Path

import pytest

from pipeline.reporting.console import first_screen
from pipeline.reporting.results import CellName, read_results
from tests.support.synthetic_results import Benchmark


def screen(root: Path, *datasets: str, models: tuple[str, ...] = ("resnet50_vd",)) -> list[str]:
    benchmark = Benchmark(datasets=datasets, models=models)
    benchmark.write(root)
    names = [CellName(*each) for each in product(datasets, models, benchmark.strategies)]
    return "\n".join(first_screen(read_results(root, names).cells)).splitlines()


LONG = "photographs of garden birds from every county"


@pytest.mark.parametrize("models", [("resnet50_vd",), ("resnet50_vd", "a network of a long name")])
@pytest.mark.parametrize("datasets", [("digits",), ("dtd", "flowers102"), ("dtd", LONG)])
def test_no_line_is_longer_than_a_terminal_except_those_to_copy(
    tmp_path: Path, datasets: tuple[str, ...], models: tuple[str, ...]
) -> None:
    lines = screen(tmp_path, *datasets, models=models)
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80


def test_a_command_to_copy_stays_on_its_line(tmp_path: Path) -> None:
    [command] = [line for line in screen(tmp_path, "digits") if line.startswith("Classify")]
    model = tmp_path / "results/digits/resnet50_vd/grid/model"
    assert command.endswith(f"predict {model} IMAGE")


def test_many_datasets_have_the_answer_before_the_strategies(tmp_path: Path) -> None:
    lines = screen(tmp_path, "dtd", "flowers102")
    assert lines[0].split()[:4] == ["Dataset", "Setting", "to", "use"]
    after = lines[lines.index("") + 1 :]
    assert after[0].split() == ["Dataset", "Strategy", "Test", "top-1", "%", "Trials", "Time"]
    assert [line.split()[2] for line in after[2:8]] == ["Fixed", "Grid", "Bayes"] * 2
    assert after[8].startswith("dtd: 10.00 % by chance")
