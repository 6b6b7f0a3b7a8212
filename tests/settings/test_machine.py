"""Threads and processes are divided among the trials of one machine."""

import os

import pytest

from pipeline.base.errors import UserError
from pipeline.settings import machine


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (machine.THREADS, machine.PROCESSES):
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


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "10001", "9" * 5000])
def test_a_count_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(machine.THREADS, text)
    with pytest.raises(UserError, match=f"VDTRANSFER_THREADS: found '{text}'; allowed: 1, 2"):
        machine.threads()
    with pytest.raises(UserError, match="VDTRANSFER_THREADS"):  # by every stage, not tune alone
        machine.require_counts(None)


def test_each_variable_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in ((machine.THREADS, 10_000), (machine.PROCESSES, 10_000)):
        monkeypatch.setenv(name, str(most))
        assert machine.count(name) == most
        monkeypatch.setenv(name, str(most + 1))
        with pytest.raises(UserError, match=f"{name}: found '{most + 1}'.*up to {most:,}"):
            machine.count(name)
    monkeypatch.setenv(machine.MINUTES, "10001")
    assert machine.count(machine.MINUTES) == 10_001
