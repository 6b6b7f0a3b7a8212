"""Where stages run in tests: a copy of this project, and the environment of their processes."""

import os
import shutil
import sys
from pathlib import Path

from tests.support import warm_python

ROOT = Path(__file__).parents[2]
CODE = ("vdtransfer", "conf", "pipeline", "plugins", "published", ".dvcignore")
BENCHMARK = ("dvc.yaml", "params.yaml", "paddle_protocol/figures.csv")


def copy_project(folder: Path, *more: str) -> None:
    """Copy the code, and ``more`` files or folders of the repository, to ``folder``."""
    for name in (*CODE, *more):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def environment(code: Path = ROOT) -> dict[str, str]:
    """Make the environment of a stage: the ``pipeline`` of ``code``, one thread, a journal below
    the working directory. `python`, which DVC runs, is the warm one.
    """
    folders = [str(warm_python.folder()), str(Path(sys.executable).parent)]
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    every = os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1", "PATH": path}
    every.pop("MLFLOW_TRACKING_URI", None)
    return every
