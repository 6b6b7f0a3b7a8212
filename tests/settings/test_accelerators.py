"""Accelerators are shared among processes, and CUDA does not start before one is taken."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
import torch

from pipeline import tune
from pipeline.base.errors import UserError
from pipeline.decide import decide
from pipeline.evaluate import evaluate
from pipeline.planning import timing
from pipeline.settings import accelerators
from pipeline.settings.accelerators import (
    VISIBLE,
    capability,
    take_device,
    use_freest_device,
)
from pipeline.settings.machine import LAUNCHER
from pipeline.training import devices
from pipeline.trials import refits
from tests.support.small_project import SmallProject

TAKE = """
import sys
from pathlib import Path
from pipeline.settings.accelerators import devices, take_device
print(take_device(devices(), Path(sys.argv[1])), flush=True)
print(take_device(devices(), Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
CARDS = {"0": (9, 0), "1": (7, 0), "GPU-9": (9, 0)}
FREE = {"0": 2 * 10**9, "1": 60 * 10**9, "GPU-9": 2 * 10**9}
"""Bytes of memory; GPU-9 is another name of card 0."""


class ReachedError(Exception):
    """A command came to the work that needs the device."""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "")
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setattr(accelerators, "_held", [])


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two accelerators that their driver knows; CUDA must not start."""

    def handle(name: str | int) -> str:
        if str(name) not in CARDS:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return str(name)

    def started(*_: object) -> None:
        pytest.fail("CUDA started")

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", handle)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCudaComputeCapability", lambda card: CARDS[card])
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetMemoryInfo", lambda card: SimpleNamespace(free=FREE[card])
    )
    monkeypatch.setattr(torch.cuda, "_device_count_nvml", lambda: 2)
    for module, name in ((torch.cuda, "_lazy_init"), (torch._C, "_cuda_getDeviceCount")):
        monkeypatch.setattr(module, name, started)


def reached(*_: object) -> None:
    """Stand in for what runs on the device that was taken."""
    raise ReachedError


def test_each_process_takes_the_device_that_fewest_took(tmp_path: Path) -> None:
    environment = os.environ | {VISIBLE: "2, GPU-7f", "PYTHONPATH": str(Path.cwd())}
    processes: list[subprocess.Popen[str]] = []
    taken = []
    for _ in range(3):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", TAKE, tmp_path],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        first, second = processes[-1].stdout.readline(), processes[-1].stdout.readline()
        taken.append(first.strip())
        assert second.strip() == "None"  # it has one
    for process in processes:
        process.communicate()
    assert taken == ["2", "GPU-7f", "2"]


def test_no_device_is_chosen_once_cuda_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    with pytest.raises(UserError, match=r"CUDA started before .* 0, 1. Set CUDA_VISIBLE_DEVICES"):
        take_device(["0", "1"], tmp_path)


def test_a_trial_refuses_to_share_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    accelerators.require_one_device("cpu")
    with pytest.raises(UserError, match="sees 2 accelerators and could not choose one"):
        accelerators.require_one_device("cuda")


def test_no_device_is_taken_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, "")
    assert take_device(accelerators.devices(), tmp_path) is None
    assert os.environ[VISIBLE] == ""


def test_what_a_card_can_do_is_asked_of_its_driver(
    cards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert devices.resolve_device("auto") == "cuda"
    assert capability() == (7, 0)  # of both: a trial may get either
    assert devices.resolve_precision("auto", "cuda") == "float32"
    for visible in ("0", "GPU-9", "0,-1,1"):
        monkeypatch.setenv(VISIBLE, visible)
        assert capability() == (9, 0)
        assert devices.resolve_precision("auto", "cuda") == "bf16"
    monkeypatch.setenv(VISIBLE, "1")
    with pytest.raises(UserError, match="found 'tf32', which this machine's cuda does not have"):
        devices.resolve_precision("tf32", "cuda")


def test_torch_is_asked_if_the_driver_does_not_know_the_card(
    cards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, "MIG-1")
    assert capability() is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    assert devices.resolve_precision("auto", "cuda") == "bf16"


def test_cuda_that_does_not_start_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def old(*_: object) -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old")

    devices.start("cpu")
    monkeypatch.setattr(torch.cuda, "mem_get_info", old)
    with pytest.raises(UserError, match=r"CUDA does not start: .* too old. Set machine.device=cpu"):
        devices.start("cuda")


@pytest.mark.parametrize(
    ("visible", "used"),
    [(None, "1"), ("GPU-9,1", "1"), ("0", "0"), ("MIG-1,0", "MIG-1,0"), ("", "")],
)
def test_short_work_uses_the_card_with_the_most_free_memory(
    cards: None, monkeypatch: pytest.MonkeyPatch, visible: str | None, used: str
) -> None:
    """Where the driver does not know a card, nothing is chosen."""
    if visible is not None:
        monkeypatch.setenv(VISIBLE, visible)
    use_freest_device()
    assert os.environ[VISIBLE] == used


@pytest.mark.parametrize("launcher", ["basic", "processes"])
def test_tune_starts_no_cuda_before_its_trials(
    project: SmallProject, cards: None, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    """A process of a launcher takes its own device; every trial gets what tune decided."""
    given: list[str] = []

    def multirun(_folder: Path, overrides: list[str]) -> None:
        given.extend(overrides)
        raise ReachedError

    monkeypatch.setenv(LAUNCHER, launcher)
    monkeypatch.setattr(tune, "_multirun", multirun)
    with pytest.raises(ReachedError):
        project.tune("strategy=grid", "machine.device=auto", "machine.precision=auto")
    decided = "bf16" if launcher == "basic" else "float32"  # of card 0, or of both
    assert {"machine.device=cuda", f"machine.precision={decided}"} <= set(given)
    assert os.environ.get(VISIBLE) == ("0" if launcher == "basic" else None)


def test_a_simulated_trial_starts_no_cuda(project: SmallProject, cards: None) -> None:
    Path("table.csv").write_text(
        "lr,l2_decay,label_smoothing,mixup,status,objective,loss\n"
        "0.3,0.0001,false,false,finished,0.5,1.25\n"
    )
    project.tune("strategy=fixed", "machine.device=auto", "machine.simulate=table.csv")
    (run,) = project.trained()
    assert project.result(run)["device"] == "cpu"  # where it slept


def test_plan_measures_in_another_process(
    project: SmallProject, cards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "ProcessPoolExecutor", reached)
    with pytest.raises(ReachedError):
        timing.measure(project.compose("machine.device=auto"))


@pytest.mark.slow
@pytest.mark.parametrize("command", [evaluate, decide])
def test_refits_take_a_device_before_cuda_starts(
    project: SmallProject,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., None],
) -> None:
    project.set(
        strategies=["fixed", "grid"],
        l2_decay=0.001,  # not in the space, so the points differ
        space={"lr": [0.3], "l2_decay": [0.0001], "label_smoothing": [False], "mixup": [False]},
        evaluate={"seeds": "auto", "budget": 5},
    )
    for strategy in ("fixed", "grid"):
        project.tune(f"strategy={strategy}")
        if command is decide:
            project.evaluate(f"strategy={strategy}")
    request.getfixturevalue("cards")
    monkeypatch.setattr("pipeline.base.paired_comparison.CURTAILED", 0)
    monkeypatch.setattr(refits, "refit", reached)
    with pytest.raises(ReachedError):
        command(project.compose("machine.device=auto", "strategy=fixed"))
    assert os.environ[VISIBLE] == "0"
