"""The same sweep run serially and by a launcher, and what must be equal."""

import subprocess
from collections.abc import Mapping

from tests.support.small_project import SmallProject

COMPUTED = ("trials.csv", "curves.csv", "best.yaml")
BATCHES = "search.bayes.batch_size=2"
"""Trials of a search that run at once; it decides which ones are proposed."""


def tables(project: SmallProject, strategy: str) -> dict[str, bytes]:
    return {name: (project.cell(strategy) / name).read_bytes() for name in COMPUTED}


def tune(
    project: SmallProject, environment: Mapping[str, str], *overrides: str
) -> subprocess.CompletedProcess[str]:
    """Run tune as people start it; raises AssertionError with its output when it fails."""
    done = subprocess.run(
        project.command("tune", *overrides),
        cwd=project.folder,
        env={**project.environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def check_launched(project: SmallProject, environment: Mapping[str, str]) -> None:
    """A search, then a grid by the launcher of ``environment``: their tables equal those of
    serial sweeps, every point was trained there once and its run is closed under its sweep.
    """
    expected = {}
    for strategy in ("bayes", "grid"):
        project.tune(f"strategy={strategy}", BATCHES, "project=serial")
        expected[strategy] = tables(project, strategy)
    for strategy in ("bayes", "grid"):
        tune(project, environment, f"strategy={strategy}", BATCHES)
        assert tables(project, strategy) == expected[strategy]
    assert {run.info.status for run in project.runs()} == {"FINISHED"}
    keys = [run.data.tags["trial.key"] for run in project.trained()]
    assert sorted(keys) == sorted(row["key"] for row in project.table("grid", "trials"))
    searched, grid = project.parents()
    assert len(project.children(searched)) == len(project.table("bayes", "trials")) == 3
    assert len(project.children(grid)) == len(keys) == 4
