"""./vdtransfer: the environment in which a checkout's commands run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.stages import ROOT


def environment(folder: Path, *, stamped: bool) -> Path:
    """Make an environment whose `python` prints the environment's name and its arguments."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho {folder.name} "$@"\n')
    python.chmod(0o755)
    if stamped:
        (folder / ".installed").touch()
    return folder


@pytest.mark.parametrize(
    ("active", "own", "chosen"),
    [
        (None, True, ".venv"),
        ("another", True, ".venv"),
        ("made_by_make", True, "made_by_make"),
        ("another", False, "another"),
    ],
)
def test_the_environment_of_make_setup_is_taken(
    tmp_path: Path, active: str | None, own: bool, chosen: str
) -> None:
    checkout = tmp_path / "my checkout"
    experiment = checkout / ".dvc" / "tmp" / "exps"  # where DVC puts a copy without .venv
    experiment.mkdir(parents=True)
    shutil.copy(ROOT / "vdtransfer", experiment)
    if own:
        environment(checkout / ".venv", stamped=True)
    for name in ("another", "made_by_make"):
        environment(tmp_path / name, stamped=name == "made_by_make")
    variables = {"PATH": os.defpath}
    if active:
        folder = tmp_path / active
        variables = {"PATH": f"{folder / 'bin'}:{os.defpath}", "VIRTUAL_ENV": str(folder)}
    done = subprocess.run(
        ["./vdtransfer", "tune", "my images"],
        cwd=experiment,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{chosen} -m pipeline tune my images\n"
