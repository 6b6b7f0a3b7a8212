"""What next: each sentence follows from a figure, and none is written without its reason."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.reporting.cell_groups import places
from pipeline.reporting.next_steps import next_steps
from pipeline.reporting.results import CellName, read_results
from tests.support.synthetic_results import Benchmark, Space

CELL = "results/digits/resnet50_vd/grid"


def sentences(
    root: Path,
    benchmark: Benchmark,
    recipe: dict[str, Any] | None = None,
    chosen_by: str = "top1",
    **final: Any,
) -> list[str]:
    benchmark.write(root)
    best = root / CELL / "best.yaml"
    values = yaml.safe_load(best.read_text())
    values["recipe"] |= recipe or {}
    values["chosen_by"] = chosen_by
    best.write_text(yaml.safe_dump(values))
    path = root / CELL / "final.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | final))
    results = read_results(root, [CellName("digits", "resnet50_vd", "grid")])
    [place] = places(results.cells)
    section = next_steps(place)
    return [] if section is None else section.blocks[0].lines  # type: ignore[union-attr]


def grid(**changes: Any) -> Benchmark:
    return Benchmark(strategies=("grid",), **changes)


def diagonal(**errors: int) -> list[list[int]]:
    """A confusion matrix with ``errors`` such as a1_2=5: true class 1 taken for 2."""
    matrix = [[20 * (i == j) for j in range(10)] for i in range(10)]
    for name, images in errors.items():
        true, predicted = map(int, name[1:].split("_"))
        matrix[true][predicted] += images
    return matrix


def test_the_most_confused_pair_counts_both_directions(tmp_path: Path) -> None:
    lines = sentences(tmp_path, grid(), confusion=diagonal(a1_2=3, a2_1=4, a5_6=6))
    [line] = [each for each in lines if "errors" in each]
    assert line.startswith("7 of the 13 errors on the test split confuse class 1 and class 2")


def test_two_confusions_are_no_pattern(tmp_path: Path) -> None:
    lines = sentences(tmp_path, grid(), confusion=diagonal(a1_2=2))
    assert not [each for each in lines if "errors" in each]


@pytest.mark.parametrize(
    ("top1", "guess", "words"),
    [
        (0.5, {"majority": 0.5, "majority_class": "cat"}, "better than always answering cat: this"),
        (0.6, {"majority": 0.5}, None),
    ],
)
def test_a_model_that_may_be_no_better_than_a_fixed_answer_is_said_to_be_so(
    tmp_path: Path, top1: float, guess: dict[str, Any], words: str | None
) -> None:
    images = {"train": 400, "val": 100, "test": 200}
    lines = sentences(
        tmp_path, grid(), images=images, top1=[top1] * 3, confusion=diagonal(a1_2=9), **guess
    )
    said = [each for each in lines if "not shown to be better" in each]
    assert bool(said) == (words is not None)
    assert any("confuse" in each for each in lines) == (words is None)
    if words:
        assert words in said[0]
        assert "right for 50.00 % of the 200 test images" in said[0]
        assert "of the model begins at 43.14 %" in said[0]


def test_a_model_chosen_by_its_classes_is_compared_with_chance(tmp_path: Path) -> None:
    for name, mean, figures in (
        ("guess", [0.09] * 3, "9.00 [9.00, 9.00]"),
        ("just above chance", [0.09, 0.11, 0.13], "11.00 [6.03, 15.97]"),
        ("one refit", [0.09], "9.00"),
        ("good", [0.29, 0.3, 0.31], None),
    ):
        benchmark = grid(seeds=tuple(range(len(mean))))
        lines = sentences(
            tmp_path / name, benchmark, chosen_by="mean_class", majority=0.9, mean_class=mean
        )
        said = [each for each in lines if "guessing" in each]
        assert len(said) == (figures is not None)
        if figures:
            assert f"mean accuracy of its classes is {figures} %, by chance it is 10" in said[0]


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ((0.1, 0.03, 0.003), None),  # the invented accuracies are best at the second rate
        ((0.1, 0.03), "0.03, is the smallest of the 2 in `space`: add smaller"),
    ],
)
def test_the_edge_of_the_space_is_said_if_it_was_best(
    tmp_path: Path, rates: tuple[float, ...], words: str | None
) -> None:
    lines = sentences(tmp_path, grid(space=Space(lr=rates)))
    edges = [each for each in lines if "`space`" in each]
    assert len(edges) == (words is not None)
    if words:
        assert f"The best learning rate, {words} values" in edges[0]


def test_settings_within_the_interval_of_the_best_are_counted(tmp_path: Path) -> None:
    few = {"train": 400, "val": 100, "test": 200}
    lines = sentences(tmp_path / "few", grid(), images=few)
    assert any(each.startswith("On 100 validation images the 95 % interval") for each in lines)
    lines = sentences(tmp_path / "many", grid(), images=few | {"val": 10_000_000})
    assert not any("validation images" in each for each in lines)


@pytest.mark.parametrize(("top1", "words"), [(0.5, "likely to help"), (0.89, "promise little")])
def test_the_learning_curve_says_whether_more_images_would_help(
    tmp_path: Path, top1: float, words: str
) -> None:
    curve = [{"images": 200, "top1": top1}, {"images": 400, "top1": 0.9}]
    [line] = [
        each for each in sentences(tmp_path, grid(), learning_curve=curve) if "Trained" in each
    ]
    assert line.startswith(
        f"Trained on 200 of the 400 training images, the same setting has {100 * top1:.2f} % on "
    )
    assert words in line


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (1, "1 image stands under two labels, so one of them is wrong: "),
        (7, "7 images stand under two labels, so one label of each is wrong: "),
    ],
)
def test_label_conflicts_come_first(tmp_path: Path, images: int, words: str) -> None:
    assert sentences(tmp_path, grid(two_labels=images))[0].startswith(words)


def test_a_weak_class_with_few_images_is_named(tmp_path: Path) -> None:
    rows = [{"class": f"class {i}", "images": 20, "top1": 0.9} for i in range(10)]
    rows[3] |= {"images": 4, "top1": 0.25}
    [line] = [each for each in sentences(tmp_path, grid(), per_class=rows) if "lowest" in each]
    assert line.startswith("class 3 has the lowest accuracy, 25.00 %, and fewer test images (4)")
    assert line.endswith("collect more of it, or set `recipe.class_balance`.")
    balanced = {"class_balance": "weights"}
    lines = sentences(tmp_path / "balanced", grid(), balanced, per_class=rows)
    assert [each for each in lines if each.endswith("collect more of it.")]


def test_without_a_reason_nothing_is_said(tmp_path: Path) -> None:
    images = {"train": 400, "val": 10_000_000, "test": 200}
    assert sentences(tmp_path, grid(), confusion=diagonal(), images=images) == []
