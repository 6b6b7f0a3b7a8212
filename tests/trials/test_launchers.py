"""Launchers are chosen without editing tracked files, and change no number."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pipeline.base.errors import UserError
from pipeline.settings.compose import compose as checked
from pipeline.settings.compose import hydra_overrides, register_resolvers
from pipeline.settings.folders import CONFIG_NAME
from tests.support.small_project import SmallProject
from tests.support.stages import ROOT

COMPUTED = ("trials.csv", "curves.csv", "best.yaml")


def launcher(*overrides: str) -> dict[str, Any]:
    """What Hydra would make the launcher of the quickstart's grid with."""
    folder = ROOT / "quickstart"
    register_resolvers()
    with initialize_config_dir(str(folder), version_base="1.3"):
        spelled = hydra_overrides(folder, ["strategy=grid", *overrides])
        composed = compose(CONFIG_NAME, spelled, return_hydra_config=True)
        resolved = OmegaConf.to_container(composed.hydra.launcher, resolve=True)
    assert isinstance(resolved, dict)
    return resolved


@pytest.mark.parametrize("by_environment", [True, False])
def test_ray_gives_a_trial_its_threads_and_its_accelerator(
    monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    monkeypatch.setenv("VDTRANSFER_GPUS", "1")
    if by_environment:
        monkeypatch.setenv("VDTRANSFER_LAUNCHER", "ray")
        found = launcher("machine.threads=3")
    else:
        found = launcher("machine.threads=3", "hydra/launcher=ray")
    assert found["options"] == {"num_cpus": 3, "num_gpus": 1, "max_retries": 20}
    assert "VDTRANSFER_PARENT_RUN" in found["env"]


def test_slurm_gives_a_trial_its_threads_and_lets_it_queue_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: vdtransfer[slurm]")
    monkeypatch.setenv("VDTRANSFER_LAUNCHER", "slurm")
    found = launcher("machine.threads=3", "hydra.launcher.partition=gpu")
    assert (found["cpus_per_task"], found["gpus_per_node"]) == (3, None)
    assert found["partition"] == "gpu"
    assert found["max_num_timeout"] > 0


def test_limits_of_a_slurm_job_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: vdtransfer[slurm]")
    monkeypatch.setenv("VDTRANSFER_LAUNCHER", "slurm")
    monkeypatch.setenv("VDTRANSFER_GPUS", "")
    found = launcher("machine.threads=1")
    assert (found["gpus_per_node"], found["timeout_min"]) == (None, 240)
    monkeypatch.setenv("VDTRANSFER_GPUS", "2")
    monkeypatch.setenv("VDTRANSFER_MINUTES", "60")
    found = launcher("machine.threads=1")
    assert (found["gpus_per_node"], found["timeout_min"]) == (2, 60)


@pytest.mark.parametrize(
    ("name", "readers"),
    [
        ("VDTRANSFER_MINUTES", {"slurm"}),
        ("VDTRANSFER_GPUS", {"slurm", "ray"}),
        ("VDTRANSFER_PROCESSES", {"basic", "processes", "ray", "slurm"}),
    ],
)
def test_a_count_that_is_none_is_refused_where_the_launcher_reads_it(
    monkeypatch: pytest.MonkeyPatch, name: str, readers: set[str]
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: vdtransfer[slurm]")
    monkeypatch.setenv(name, "abc")
    for each in ("basic", "processes", "ray", "slurm"):
        monkeypatch.setenv("VDTRANSFER_LAUNCHER", each)
        words = f"{name}: found 'abc'; allowed: 1, 2"
        with pytest.raises(UserError, match=words) if each in readers else nullcontext():
            checked(ROOT / "quickstart", ["strategy=grid", "machine.threads=1"])


def test_as_many_processes_as_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VDTRANSFER_LAUNCHER", "processes")
    monkeypatch.setenv("VDTRANSFER_PROCESSES", "5")
    assert launcher("machine.threads=1")["n_jobs"] == 5


def test_hydra_finds_the_ray_launcher_without_importing_ray(tmp_path: Path) -> None:
    code = (
        "import sys; from hydra.core.plugins import Plugins; from hydra.plugins.launcher import "
        "Launcher; print([p.__name__ for p in Plugins.instance().discover(Launcher)]); "
        "print('ray' in sys.modules)"
    )
    environment = SmallProject(tmp_path).environment()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    found, imported = done.stdout.splitlines()[-2:]
    assert "'RayTasksLauncher'" in found
    assert imported == "False"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["grid", "bayes"])
def test_processes_equal_the_serial_run(
    project: SmallProject, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    arguments = (f"strategy={strategy}", "search.bayes.batch_size=2", "project=serial")
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
