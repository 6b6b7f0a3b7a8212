"""What a job gets from the program that launches it, and what comes back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.usefixtures("local_ray")]

APP = Path(__file__).parent / "app.py"


def sweep(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, str(APP), "--multirun", "hydra/launcher=ray_tasks"),
            *("hydra.sweep.dir=out", "hydra.launcher.env=[CARRIED,ABSENT]", *overrides),
        ],
        cwd=folder,
        env={**os.environ, "CARRIED": "here", "LEFT": "there"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_runs_in_the_programs_folder_with_the_named_variables(tmp_path: Path) -> None:
    done = sweep(tmp_path, "+x=1,3")
    assert done.returncode == 0, done.stderr
    for job in ("0", "1"):
        carried, left, folder, process = (tmp_path / f"out/{job}/facts.txt").read_text().split("\n")
        assert (carried, left, folder) == ("here", "None", str(tmp_path))
        assert int(process) != os.getpid()


def test_a_job_that_raises_fails_the_sweep_after_the_others(tmp_path: Path) -> None:
    done = sweep(tmp_path, "+x=2,3")
    assert done.returncode == 1
    assert "no two" in done.stderr
    assert (tmp_path / "out/1/facts.txt").exists()
