"""Sweeps on a real Slurm of one node, undisturbed and with a trial that has to give way."""

import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.engines.listening import beyond_loopback
from tests.engines.slurm_cluster import cluster, missing
from tests.engines.sweeps import check_launched, tables
from tests.support.small_project import SmallProject
from tests.support.waiting import until

pytest.importorskip("submitit", reason="submitit is not installed: vdtransfer[slurm]")
pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing()),
        reason=f"not on this machine: {', '.join(missing())} (Debian: slurm-wlm, munge)",
    ),
]
LONG = ("strategy=fixed", "recipe.epochs=60")


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    with cluster(cpus=2) as environment:
        yield {name: environment[name] for name in ("SLURM_CONF",)} | {
            "VDTRANSFER_LAUNCHER": "slurm"
        }


def test_an_array_of_jobs_gives_the_tables_of_the_serial_run(
    project: SmallProject, slurm: dict[str, str]
) -> None:
    check_launched(project, slurm)
    assert beyond_loopback(psutil.Process()) == []


def test_a_preempted_trial_queues_again_and_goes_on(
    project: SmallProject, slurm: dict[str, str]
) -> None:
    project.tune(*LONG, "project=serial")
    expected = tables(project, "fixed")
    environment = project.environment() | slurm
    with subprocess.Popen(
        project.command("tune", *LONG),
        cwd=project.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as sweep:
        wait_for_an_epoch(project, sweep)
        hold(project)
        urgent = ["sbatch", "--wait", "--partition=urgent", "--cpus-per-task=2", "--wrap=true"]
        subprocess.run(urgent, env=environment, cwd=project.folder, check=True)
        output, _ = sweep.communicate()
    assert sweep.returncode == 0, output
    assert tables(project, "fixed") == expected
    stopped, finished = project.trained()
    assert (stopped.info.status, finished.info.status) == ("KILLED", "FINISHED")
    restarts = subprocess.run(
        ["scontrol", "show", "jobs"], env=environment, capture_output=True, text=True, check=True
    )
    assert "Restarts=1" in restarts.stdout


def hold(project: SmallProject) -> None:
    """Stop the process of the trial under way, so that it cannot end before it is preempted.

    Slurm wakes a job before it sends it SIGTERM.
    """
    (process,) = (
        each
        for each in psutil.process_iter(["cmdline"])
        if (words := each.info["cmdline"])
        and "python" in words[0]
        and "submitit.core._submit" in words
        and any(word.startswith(f"{project.folder}/") for word in words)
    )
    process.suspend()


def wait_for_an_epoch(project: SmallProject, sweep: subprocess.Popen[str]) -> None:
    """Until the trial under way has recorded an epoch."""

    def recorded() -> bool:
        assert sweep.poll() is None, sweep.communicate()[0]
        return any("val/top1" in run.data.metrics for run in project.trained())

    until(recorded)
