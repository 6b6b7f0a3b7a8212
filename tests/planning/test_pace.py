"""How far a pipeline has come, and how long the rest takes."""

import shutil
from pathlib import Path

import pytest

from pipeline.base.text import duration
from pipeline.planning.estimates import expected_images
from pipeline.planning.pace import progress
from pipeline.settings.compose import compose
from pipeline.settings.schema import Config
from pipeline.trials.run_rows import RunRow
from pipeline.trials.tables import write_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The quickstart, which has three cells, before its first stage."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "quickstart" / "params.yaml", "params.yaml")
    return compose(Path(), ["root=."])


def leave(strategy: str, name: str) -> Path:
    path = Path("results/digits/resnet50_vd_random", strategy, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_rest_takes_as_long_an_image_as_what_was_trained(cfg: Config) -> None:
    assert progress(cfg) == "0 of 3 cells done"
    images = expected_images(cfg.dataset)
    row = dict.fromkeys(RunRow.model_fields) | {"replayed": False, "seconds": 2.0 * images.train}
    rows = [RunRow.model_validate(row | {"trial": n, "key": str(n)}) for n in range(2)]
    write_rows(leave("fixed", "runs.csv"), RunRow, rows)
    leave("fixed", "best.yaml")
    refits = 9 * (images.train + images.val)
    left = duration(2.0 * (cfg.space.size() * images.train + refits))
    assert progress(cfg) == f"0 of 3 cells done; up to {left} of training left"
    for strategy in cfg.strategies:
        leave(strategy, "best.yaml")
    leave("fixed", "final.json")
    left = duration(2.0 * 6 * (images.train + images.val))
    assert progress(cfg) == f"1 of 3 cells done; up to {left} of training left"
    for strategy in cfg.strategies:
        leave(strategy, "final.json")
    assert progress(cfg) == "3 of 3 cells done"
    leave("grid", "best.yaml").unlink()  # as DVC does before it runs tune again
    shown = progress(cfg)
    assert shown is not None
    assert shown.startswith("2 of 3 cells done; up to ")


def test_a_damaged_table_stops_no_stage_of_another_cell(cfg: Config) -> None:
    leave("fixed", "runs.csv").write_text("nothing\nof,this\n")
    assert progress(cfg) is None


def test_a_pipeline_of_one_cell_has_no_line(cfg: Config) -> None:
    assert progress(cfg.model_copy(update={"strategies": ["grid"]})) is None
