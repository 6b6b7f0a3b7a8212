"""Where a project keeps its data and journal, also in a copy that DVC made for an experiment."""

from pathlib import Path

import pytest

from pipeline.settings.folders import home, prepared_dir, raw_dir, runs_dir, weights_dir


def test_a_stage_keeps_everything_where_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    assert home() == Path()
    assert (runs_dir(), weights_dir()) == (Path("runs"), Path("data/weights"))


@pytest.mark.parametrize("copy", ["tmpab12", "standalone/tmpab12"])
@pytest.mark.parametrize(
    ("repository", "below"), [(".", "."), (".", "projects/mine"), ("inner", "inner")]
)
def test_an_experiment_keeps_its_journal_in_the_repository(
    tmp_path, monkeypatch, copy, repository, below
):
    """``repository`` has the folder .dvc, and Git's begins above it; the stage runs ``below``."""
    place = (tmp_path / repository).resolve()
    workspace = place / ".dvc" / "tmp" / "exps" / copy
    (workspace / repository / ".dvc").mkdir(parents=True)
    (workspace / below).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(workspace / below)
    kept = (tmp_path / below).resolve()
    assert home() == kept
    assert (runs_dir(), weights_dir()) == (kept / "runs", kept / "data" / "weights")
    assert raw_dir("x") == Path("data/raw/x")  # outputs of DVC's stages belong to the copy
    assert prepared_dir("x") == Path("data/prepared/x")
