"""kill -9 at random moments: of the sweep, of a worker of it, of `dvc repro`."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import Tally
from tests.faults.forks import Fork, Forks
from tests.faults.simulated import (
    FULL,
    SimulatedProject,
    dvc_project,
    require_survived,
    require_whole,
    tables,
    undisturbed,
    until_training,
    workers,
)
from tests.support.small_project import SmallProject

SWEEP, WORKER, DVC, TRAINED, TRAINED_WORKER = (35, 5, 5, 3, 2) if FULL else (8, 1, 2, 1, 1)
"""Kills of each kind. The last two hit trials that are really trained."""
PROCESSES = {"VDTRANSFER_LAUNCHER": "processes", "VDTRANSFER_PROCESSES": "2"}
SPAN = 1.2
"""Seconds after its first trial within which a sweep is killed. The random delay places the fault
somewhere; nothing waits for it."""
Dies = Callable[[Fork], None]


def sweep_dies(sweep: Fork) -> None:
    sweep.kill()


def worker_dies(sweep: Fork) -> None:
    for each in workers(sweep.pid)[:1]:
        each.kill()


def test_of_the_sweep(
    forks: Forks, simulated: SimulatedProject, undisturbed_grid: dict[str, bytes], tally: Tally
) -> None:
    moments = random.Random("sweep")
    begin = time.time()
    for number in range(SWEEP):
        sweep = forks.start(simulated, "strategy=grid")
        if number % 5:  # else anywhere in its start
            sweep.until_trials()
        time.sleep(moments.uniform(0, SPAN))
        sweep.kill()
        tally.injected(sweep.wait() == -signal.SIGKILL)
        require_whole(simulated, "grid", undisturbed_grid)
    forks.run(simulated, "strategy=grid")
    require_survived(simulated, "grid", undisturbed_grid)
    assert tally.count == SWEEP, "the grid was done before the last kill"
    (parent,) = simulated.parents()
    worked = sum(
        each.info.end_time - each.info.start_time
        for each in simulated.trained()
        if each.info.status == "FINISHED"
    )
    shown = parent.info.end_time - parent.info.start_time
    assert worked <= shown <= 1000 * (time.time() - begin), "the time that MLflow shows"


def test_of_a_worker(
    forks: Forks, simulated: SimulatedProject, undisturbed_grid: dict[str, bytes], tally: Tally
) -> None:
    moments = random.Random("worker")
    for _ in range(WORKER):
        sweep = forks.start(simulated, "strategy=grid", **PROCESSES)
        sweep.until_trials()
        time.sleep(moments.uniform(0, SPAN))
        worker_dies(sweep)
        assert sweep.wait() == 2, sweep.output()
        assert "error: a process of the launcher died" in sweep.output()
        tally.injected()
        require_whole(simulated, "grid", undisturbed_grid)
    forks.run(simulated, "strategy=grid")
    require_survived(simulated, "grid", undisturbed_grid)


def test_of_dvc_repro(
    simulated: SimulatedProject, undisturbed_grid: dict[str, bytes], tally: Tally
) -> None:
    """With all it has started, as a scheduler or a closed terminal does, and, the last time, alone:
    then its stage goes on without it and the next one waits.
    """
    command = dvc_project(simulated)
    moments = random.Random("dvc")
    for number in range(DVC):
        with subprocess.Popen(
            command,
            cwd=simulated.folder,
            env=simulated.environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            next(line for line in process.stdout if line.startswith("trial "))
            time.sleep(moments.uniform(0, SPAN))
            if number < DVC - 1:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
                process.stdout.close()
        assert process.returncode == -signal.SIGKILL
        tally.injected()
        require_whole(simulated, "grid", undisturbed_grid)
    subprocess.run(command, cwd=simulated.folder, env=simulated.environment(), check=True)
    require_survived(simulated, "grid", undisturbed_grid)


@pytest.mark.parametrize(
    ("dies", "count", "launcher"),
    [(sweep_dies, TRAINED, {}), (worker_dies, TRAINED_WORKER, PROCESSES)],
    ids=["sweep", "worker"],
)
def test_of_trials_that_are_trained(
    forks: Forks,
    project: SmallProject,
    tally: Tally,
    dies: Dies,
    count: int,
    launcher: dict[str, str],
) -> None:
    """Networks of a few layers on 60 images."""
    project.set(recipe={"epochs": 30, "batch_size": 16})
    expected = undisturbed(forks, project, "grid")
    moments = random.Random(count)
    for _ in range(count):
        sweep = forks.start(project, "strategy=grid", **launcher)
        until_training(sweep, project)
        time.sleep(moments.uniform(0, SPAN))
        dies(sweep)
        assert sweep.wait() != 0
        tally.injected()
        require_whole(project, "grid", expected)
    forks.run(project, "strategy=grid")
    require_survived(project, "grid", expected)
    assert tables(project, "grid") == expected
