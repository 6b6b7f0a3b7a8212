"""The disk is full while a checkpoint, the pixel store, a table or the journal is written."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import prepare
from pipeline.base.errors import UserError
from pipeline.datasets.manifest import MANIFEST, PIXELS, Manifest
from tests.faults.conftest import Tally
from tests.faults.forks import Forks
from tests.faults.simulated import (
    SimulatedProject,
    require_survived,
    require_whole,
    undisturbed,
    undisturbed_here,
)
from tests.support.small_project import SmallProject
from tests.training.test_trial import Trials


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of that size in place of ``folder``, with what fits of its files."""
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        if not mounted:
            pytest.skip("needs the right to mount a small disk")
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        aside.rename(folder)


def test_a_trial_without_room_for_a_checkpoint_goes_on(
    project: SmallProject, tally: Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = Trials(project)
    whole, _ = trials.train({"recipe.epochs": 2}, "whole.ckpt")
    folder = project.folder / "small"
    folder.mkdir()
    with disk(folder, 16):
        result, _ = trials.train({"recipe.epochs": 2}, folder / "checkpoint.ckpt")
        tally.injected(2)
        assert list(folder.iterdir()) == []
    assert result.curve == whole.curve
    assert capsys.readouterr().err.count("no checkpoint written") == 2


def test_a_pixel_store_without_room_is_not_there(project: SmallProject, tally: Tally) -> None:
    cfg = project.compose()
    prepared = project.folder / "data" / "prepared" / "digits"
    expected = Manifest.load(prepared).digest
    with disk(prepared, 64):
        tally.injected()
        with pytest.raises(UserError, match=r"the disk of .*digits is full \(about .* needed"):
            prepare.run(cfg)
        assert not (prepared / MANIFEST).exists()
        assert not list(prepared.glob(f"*{PIXELS}*"))
    shutil.rmtree(prepared)
    prepare.run(cfg)
    assert Manifest.load(prepared).digest == expected


def test_tables_without_room_are_not_half_written(small: SimulatedProject, tally: Tally) -> None:
    expected = undisturbed_here(small, "grid")
    cell = small.cell("grid")
    cell.mkdir(parents=True)
    with disk(cell, 4):
        tally.injected()
        with pytest.raises(UserError, match=r"the disk of .*grid is full. Make room"):
            small.tune("strategy=grid")
        require_whole(small, "grid", expected)
    small.tune("strategy=grid")
    require_survived(small, "grid", expected)


def test_a_journal_without_room(forks: Forks, small: SimulatedProject, tally: Tally) -> None:
    """Its disk fills up between two trials."""
    expected = undisturbed(forks, small, "grid")
    runs = small.folder / "runs"
    kilobytes = (runs / "mlflow.db").stat().st_size // 1024
    with disk(runs, kilobytes + 60):
        shutil.copy(runs.with_name("runs.aside") / "mlflow.db", runs)
        tally.injected()
        sweep = forks.start(small, "strategy=grid")
        assert sweep.wait() == 2, sweep.output()
        assert "Traceback" not in sweep.output().splitlines()[-1]
    forks.run(small, "strategy=grid")
    require_survived(small, "grid", expected)
