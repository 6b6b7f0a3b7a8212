"""Reading exported results: what is missing is named, what is wrong is one clear line."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipeline.base.errors import UserError
from pipeline.reporting.results import CellName, Missing, read_results
from tests.support.synthetic_results import Benchmark

NAMES = [CellName("digits", "resnet50_vd", s) for s in ("fixed", "grid", "bayes")]
GRID = Path("results/digits/resnet50_vd/grid")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Benchmark().write(tmp_path)
    return tmp_path


def test_a_whole_benchmark_is_read_in_the_order_asked_for(root: Path) -> None:
    results = read_results(root, reversed(NAMES))
    assert [cell.name for cell in results.cells] == NAMES[::-1]
    assert results.missing == []
    grid = results.cells[1]
    assert len(grid.trials) == len(grid.runs) == grid.best.n_trials == 12
    assert len(grid.curves) == 12 * 4
    assert grid.final is not None
    assert len(grid.final_runs) == len(grid.final.seeds) == 3


@pytest.mark.parametrize("file", ["trials.csv", "curves.csv", "runs.csv", "best.yaml"])
def test_a_cell_without_one_of_its_files_was_not_tuned(root: Path, file: str) -> None:
    (root / GRID / file).unlink()
    assert read_results(root, NAMES).missing == [Missing(NAMES[1], "tune", root)]


def test_an_unevaluated_cell_is_read_and_named(root: Path) -> None:
    (root / GRID / "final.json").unlink()
    results = read_results(root, NAMES)
    assert len(results.cells) == 3
    [missing] = results.missing
    assert missing.target == f"{root}/dvc.yaml:evaluate@digits-resnet50_vd-grid"
    assert replace(missing, root=Path()).target == "evaluate@digits-resnet50_vd-grid"


def test_an_evaluation_of_another_point_is_out_of_date(root: Path) -> None:
    path = root / GRID / "final.json"
    final = json.loads(path.read_text())
    final["point"]["lr"] = 0.5
    path.write_text(json.dumps(final))
    results = read_results(root, NAMES)
    assert results.cells[1].final is None
    assert results.missing == [Missing(NAMES[1], "evaluate", root)]


def test_nothing_there_is_everything_missing(tmp_path: Path) -> None:
    results = read_results(tmp_path, NAMES)
    assert results.cells == []
    assert [cell.name for cell in results.missing] == NAMES


def test_a_failed_trial_has_empty_figures_and_a_diverged_one_may_have_infinite_loss(
    root: Path,
) -> None:
    path = root / GRID / "trials.csv"
    lines = path.read_text().splitlines()
    fields = lines[1].split(",")
    lines[1] = ",".join([*fields[:6], "failed", "", "", "", "", "", "", "", fields[-1]])
    fields = lines[2].split(",")
    lines[2] = ",".join([*fields[:6], "diverged", "0.0", "0.1", "", "", "inf", "nan", *fields[-2:]])
    path.write_text("\n".join(lines))
    trials = read_results(root, NAMES).cells[1].trials
    assert (trials[0].status, trials[0].objective, trials[0].loss) == ("failed", None, None)
    assert (trials[1].status, trials[1].objective, trials[1].loss) == (
        "diverged",
        0.0,
        float("inf"),
    )


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return change


def cut(file: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / file).read_text()
        (folder / file).write_text(text[: len(text) // 2])

    return change


def best(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "best.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit("trials.csv", "objective", "target"), r"trials\.csv: it lacks the columns objective"),
        (edit("trials.csv", "objective", '"objective'), r"trials\.csv: line 1: unexpected end"),
        (edit("trials.csv", "finished", "done"), r"trials\.csv: line 2: status: .*'done'"),
        (edit("trials.csv", "finished", "failed"), r"line 2: .*a failed trial with objective"),
        (edit("trials.csv", "\n1,", "\n7,"), r"trials\.csv: the column trial must rise"),
        (edit("runs.csv", "12.5", "-1"), r"runs\.csv: line 2: seconds: .*'-1'"),
        (edit("curves.csv", "\n0,1,", "\n0,0,"), r"curves\.csv: line 2: epoch"),
        (cut("trials.csv"), r"trials\.csv: "),
        (cut("final.json"), r"final\.json: "),
        (best(objective="high"), r"best\.yaml: objective: .*'high'"),
        (best(objective=95.8), r"best\.yaml: objective: .*95\.8"),
        (best(trial=99), r"best\.yaml: trial 99 of trials\.csv"),
        (best(key="other"), r"best\.yaml: trial \d+ of trials\.csv is not the one"),
        (edit("final.json", '"seeds": [0, 1, 2]', '"seeds": [0, 1]'), r"one entry per seed \(2\)"),
        (edit("final.json", '"class 3", ', ""), r"final\.json: .*confusion must be 9 x 9"),
    ],
)
def test_damage_is_reported_with_file_place_and_remedy(
    root: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(root / GRID)
    with pytest.raises(UserError, match=message) as caught:
        [cell.curves for cell in read_results(root, NAMES).cells]
    assert "dvc repro" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_reported(root: Path) -> None:
    (root / GRID / "runs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"runs\.csv: it is not text"):
        read_results(root, NAMES)


def test_replays_have_as_many_trials_each(root: Path) -> None:
    path = root / GRID / "final.json"
    final = json.loads(path.read_text())
    path.write_text(json.dumps(final | {"replays": {"gaps": [[0.1], [0.1, 0.2]]}}))
    with pytest.raises(UserError, match="same number of trials"):
        read_results(root, NAMES)


def test_cells_elsewhere_are_left_alone(root: Path) -> None:
    shutil.copytree(root / GRID, root / "results/other/resnet50_vd/grid")
    assert len(read_results(root, NAMES).cells) == 3


def test_added_seeds_count_with_the_refits_they_follow(root: Path) -> None:
    names = ("top1", "top5", "mean_class", "paddle_batch_mean", "loss", "per_class")
    final = json.loads((root / GRID / "final.json").read_text())
    more = {name: final[name] for name in names} | {"follows": final["keys"][0]}
    more |= {"seeds": [3, 4, 5], "keys": ["a", "b", "c"]}
    folder = root / "results" / ".decided" / GRID.relative_to("results")
    folder.mkdir(parents=True)
    shutil.copy(root / GRID / "final_runs.csv", folder)
    (folder / "more_seeds.json").write_text(json.dumps(more))
    grid = read_results(root, NAMES).cells[1]
    assert grid.final is not None
    assert grid.final.seeds == [0, 1, 2, 3, 4, 5]
    assert grid.final.top1 == final["top1"] * 2
    assert grid.final.top1_mean == pytest.approx(final["top1_mean"])
    assert grid.prediction_folders == [root / GRID, folder]
    assert len(grid.final_runs) == 6

    (folder / "more_seeds.json").write_text(json.dumps(more | {"follows": "another point"}))
    grid = read_results(root, NAMES).cells[1]
    assert grid.final is not None
    assert grid.final.seeds == [0, 1, 2]
