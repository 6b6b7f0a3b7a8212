"""Record the versions and the commit with which results are made."""

import platform
import subprocess
from importlib import metadata

from pipeline.trials.deciding_code import code_digest
from pipeline.trials.final_parts import Provenance
from pipeline.trials.identity import versions

_PACKAGES = ("hydra-core", "scikit-optimize", "mlflow", "dvc")
"""Packages whose versions the report names, besides those in a trial's key."""


def provenance() -> Provenance:
    return Provenance(
        commit=_git("rev-parse", "HEAD"),
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
        versions={
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
            **versions(),
        },
        code_digest=code_digest(),
    )


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()
