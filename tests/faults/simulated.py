"""A project of simulated trials, its undisturbed tables, and what must hold after a fault."""

import csv
import itertools
import os
import random
import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.faults.forks import Fork, Forks
from tests.support.small_project import BUDGET, KEY, PARAMS, SmallProject
from tests.support.stages import copy_project
from tests.support.waiting import until

FULL = os.environ.get("VDTRANSFER_FAULTS") == "full"
"""Whether to inject every fault (`make faults-full`), or some of each kind."""
SPACE = {
    "lr": [0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003],
    "l2_decay": [0.001, 0.0001],
    "label_smoothing": [False, True],
    "mixup": [False, True],
}
SMALL_SPACE = SPACE | {"lr": [0.1, 0.03], "l2_decay": [0.001], "label_smoothing": [False]}
SECONDS = 0.25
"""A simulated trial sleeps so long."""
TABLE = "table.csv"
TABLES = ("trials.csv", "curves.csv", "best.yaml")


class SimulatedProject(SmallProject):
    """72 points on a grid, 8 for a search; a trial has three epochs and takes a moment."""

    def __init__(self, folder: Path) -> None:
        write_table(folder / TABLE)
        super().__init__(folder)

    def set(self, **changes: Any) -> None:
        simulated = {
            "space": SPACE,
            "lr": 0.1,
            "recipe": PARAMS["recipe"] | {"epochs": 3},
            "search": PARAMS["search"] | {"bayes": BUDGET | {"n_trials": 8}},
            "machine": PARAMS["machine"] | {"simulate": TABLE, "simulate_seconds": SECONDS},
        }
        super().set(**simulated | changes)


def write_table(path: Path) -> None:
    """Figures for every point of SPACE; one of them diverged."""
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*SPACE, "status", "objective", "loss"])
        for number, point in enumerate(itertools.product(*SPACE.values())):
            words = [str(value).lower() for value in point]
            figures = ["diverged", 0.0, ""] if number == 5 else ["finished", rng.random(), 1.5]
            writer.writerow([*words, *figures])


def tables(project: SmallProject, strategy: str) -> dict[str, bytes]:
    """Those that are there."""
    cell = project.cell(strategy)
    return {name: (cell / name).read_bytes() for name in TABLES if (cell / name).exists()}


def undisturbed(
    forks: Forks, project: SmallProject, strategy: str, *overrides: str
) -> dict[str, bytes]:
    """The tables of a run that nothing happens to, with a journal entry of its own."""
    forks.run(project, f"strategy={strategy}", "project=undisturbed", *overrides)
    return _taken(project, strategy)


def undisturbed_here(project: SmallProject, strategy: str) -> dict[str, bytes]:
    """The same, in this process."""
    project.tune(f"strategy={strategy}", "project=undisturbed")
    return _taken(project, strategy)


def _taken(project: SmallProject, strategy: str) -> dict[str, bytes]:
    expected = tables(project, strategy)
    assert set(expected) == set(TABLES)
    shutil.rmtree(project.folder / "results")
    return expected


def require_survived(project: SmallProject, strategy: str, expected: dict[str, bytes]) -> None:
    """After a rerun: the undisturbed tables, nothing RUNNING, no trial finished twice, and no
    abandoned file.
    """
    assert tables(project, strategy) == expected
    assert {run.info.status for run in project.runs()} <= {"FINISHED", "KILLED", "FAILED"}
    finished = [run for run in project.trained() if run.info.status == "FINISHED"]
    times = Counter(run.data.tags[KEY] for run in finished)
    assert set(times) == {row["key"] for row in project.table(strategy, "trials")}
    assert set(times.values()) == {1}
    assert not list((project.folder / "results").rglob(".*.tmp"))
    left = [path for path in (project.folder / "runs").iterdir() if len(path.name) == 64]
    assert left == []


def require_whole(project: SmallProject, strategy: str, expected: dict[str, bytes]) -> None:
    """What is there after a fault is right already."""
    assert tables(project, strategy).items() <= expected.items()


def until_training(sweep: Fork, project: SmallProject) -> None:
    """Wait until a trial of the sweep has measured another epoch, or the sweep ends."""
    before = _epochs(project)  # a killed trial's run says RUNNING until the next sweep takes it up
    until(lambda: sweep.ended() or _epochs(project) > before, sweep.output)


def _epochs(project: SmallProject) -> int:
    """Those in the journal, of every trial."""
    ids = [run.info.run_id for run in project.trained()]
    return sum(len(project.client.get_metric_history(each, "val/top1")) for each in ids)


def workers(pid: int) -> list[psutil.Process]:
    """The processes that joblib has started for a sweep."""
    started = []
    with suppress(psutil.NoSuchProcess):  # the sweep has ended
        for each in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended after it was listed
                if "popen_loky_posix" in " ".join(each.cmdline()):
                    started.append(each)
    return started


def dvc_project(project: SmallProject) -> list[str]:
    """Put the real dvc.yaml and what it needs in the folder; the command of its grid."""
    copy_project(project.folder, "dvc.yaml")
    shutil.rmtree(project.folder / "data")
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    params["strategies"] = ["grid"]
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    environment = project.environment()
    for command in (["init", "--no-scm", "--quiet"], ["repro", "--quiet", "prepare@digits"]):
        subprocess.run(["dvc", *command], cwd=project.folder, env=environment, check=True)
    return ["dvc", "repro", "tune@digits-resnet50_vd_random-grid"]
