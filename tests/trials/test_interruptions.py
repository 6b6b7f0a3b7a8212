"""Ending a trial early: the time limit, and SIGTERM."""

import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from pipeline.trials import interruptions
from pipeline.trials.interruptions import TrialTooLongError, finishing, interrupt, time_limit


def test_what_hangs_is_interrupted(tmp_path):
    with (
        pytest.raises(TrialTooLongError, match=r"tune\.max_trial_seconds \(0\.01 s\)"),
        time_limit(0.01, tmp_path / "trace"),
    ):
        threading.Event().wait()
    assert not sum(path.stat().st_size for path in tmp_path.iterdir())


def test_the_limit_ends_with_its_block(tmp_path):
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(3600, tmp_path / "trace"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == before
    with time_limit(None, tmp_path / "trace"):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert not sum(path.stat().st_size for path in tmp_path.iterdir())


def test_an_alarm_at_the_very_end_of_the_block_leaves_nothing_set(tmp_path, monkeypatch):
    before, setitimer, cancelled = signal.getsignal(signal.SIGALRM), signal.setitimer, []

    def alarmed(which, seconds):
        setitimer(which, seconds)
        if not seconds:
            signal.raise_signal(signal.SIGALRM)

    last_resort = SimpleNamespace(
        dump_traceback_later=lambda *_, **__: None,
        cancel_dump_traceback_later=lambda: cancelled.append(True),
    )
    monkeypatch.setattr(interruptions, "faulthandler", last_resort)
    monkeypatch.setattr(signal, "setitimer", alarmed)
    with pytest.raises(TrialTooLongError), time_limit(3600, tmp_path / "trace"):
        pass
    assert signal.getsignal(signal.SIGALRM) == before
    assert cancelled


DEAF = """
import signal, threading
from pathlib import Path
from pipeline.trials import interruptions
interruptions.GRACE_SECONDS = 0.05
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as code outside Python may
with interruptions.time_limit(0.05, Path("trace")):
    threading.Event().wait()
"""


def test_what_does_not_hear_loses_its_process_and_leaves_a_trace(tmp_path):
    done = subprocess.run([sys.executable, "-c", DEAF], cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Timeout" in (tmp_path / "trace").read_text()


@pytest.fixture(autouse=True)
def handler():
    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_sigterm_comes_at_the_end_of_the_block():
    done = []

    def work():
        with finishing():
            signal.raise_signal(signal.SIGTERM)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]
    assert signal.getsignal(signal.SIGTERM) is interrupt


def test_a_second_one_comes_at_once():
    done = []

    def work():
        with finishing():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not done


def test_without_one_nothing_happens():
    with finishing():
        pass
    with pytest.raises(ZeroDivisionError), finishing():
        raise ZeroDivisionError
