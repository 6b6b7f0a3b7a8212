"""Trials in several processes give the tables of the serial run."""

from __future__ import annotations

import pytest

from tests.small_project import SmallProject

COMPUTED = ("trials.csv", "curves.csv", "best.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["grid", "bayes"])
def test_processes_equal_the_serial_run(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    arguments = (f"strategy={strategy}", "search.batch_size=2", "project=serial")
    serial = project.run("tune", *arguments)
    assert serial.returncode == 0, serial.stderr
    cell = project.cell(strategy)
    expected = {name: (cell / name).read_bytes() for name in COMPUTED}

    monkeypatch.setenv("VDTRANSFER_LAUNCHER", "processes")
    monkeypatch.setenv("VDTRANSFER_PROCESSES", "2")
    parallel = project.run("tune", *arguments[:2], "project=small")
    assert parallel.returncode == 0, parallel.stderr
    assert {name: (cell / name).read_bytes() for name in COMPUTED} == expected
    (parent,) = project.parents()
    trained = [run for run in project.trained() if run.info.status == "FINISHED"]
    assert len(trained) == len(project.children(parent)) > 1
