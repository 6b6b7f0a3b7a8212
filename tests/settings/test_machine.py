"""Threads and devices are divided among the trials of one machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.settings import machine

TAKE = """
import sys
from pathlib import Path
from pipeline.settings.machine import devices, take_device
print(take_device(devices(), Path(sys.argv[1])), flush=True)
print(take_device(devices(), Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (machine.THREADS, machine.PROCESSES, machine.VISIBLE):
        monkeypatch.delenv(name, raising=False)


def test_one_trial_takes_every_core() -> None:
    assert machine.threads() == os.cpu_count()


def test_processes_divide_the_cores_and_leave_one_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for processes, threads in ((1, 8), (3, 2), (8, 1), (9, 1)):
        monkeypatch.setenv(machine.PROCESSES, str(processes))
        assert machine.threads() == threads
        assert machine.processes(threads) == processes
    monkeypatch.setenv(machine.THREADS, "5")
    assert machine.threads() == 5


def test_as_many_processes_as_have_cores_for_their_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [machine.processes(threads) for threads in (1, 3, 8, 16)] == [8, 2, 1, 1]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_count_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(machine.THREADS, text)
    with pytest.raises(UserError, match=f"VDTRANSFER_THREADS: found '{text}'; allowed: 1, 2"):
        machine.threads()


def test_each_process_takes_the_device_that_fewest_took(tmp_path: Path) -> None:
    environment = os.environ | {machine.VISIBLE: "2, GPU-7f", "PYTHONPATH": str(Path.cwd())}
    processes, taken = [], []
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
        machine.take_device(["0", "1"], tmp_path)


def test_a_trial_refuses_to_share_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    machine.require_one_device("cpu")
    with pytest.raises(UserError, match="sees 2 accelerators and has none of its own"):
        machine.require_one_device("cuda")


def test_no_device_is_taken_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(machine.VISIBLE, "")
    assert machine.take_device(machine.devices(), tmp_path) is None
    assert os.environ[machine.VISIBLE] == ""
