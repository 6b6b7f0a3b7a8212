"""Mutated files from outside: read or refused, whatever the bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stages import ROOT

COUNT = 10_000
SEED = 16
SECONDS = 240
"""Far more than it takes, so that only an endless input is caught."""


@pytest.mark.slow
def test_ten_thousand_mutated_files_run_and_write_nothing(model: Path, tmp_path: Path) -> None:
    """Pickles, .pth files, tars, zips and model folders, with an audit hook and limits.

    Each is read or refused with one line, within ten seconds of processor time and a gigabyte.
    """
    folder = tmp_path / "inputs"
    folder.mkdir()
    arguments = [str(folder), str(model), str(COUNT), str(SEED)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.fuzzing", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    answer = json.loads(run.stdout)
    assert answer["failures"] == []
    assert answer["seen"] == []
    assert answer["left"] == ["model", "x.tgz"]
    assert sum(answer["read"].values()) + sum(answer["refused"].values()) == COUNT
    for kind in ("pickle", "torch", "tar", "zip", "model"):
        assert answer["read"][kind] > 10, answer["read"]
        assert answer["refused"][kind] > 100, answer["refused"]
    assert answer["grown"] < 2**30
    assert [path.name for path in tmp_path.iterdir()] == ["inputs"]
