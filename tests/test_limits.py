"""A trial that takes too long or hangs is ended, and nothing else is."""

import signal
import subprocess
import sys
import threading

import pytest

from pipeline.limits import TrialTooLongError, time_limit


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


DEAF = """
import signal, threading
from pathlib import Path
from pipeline import limits
limits.GRACE_SECONDS = 0.05
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as code outside Python may
with limits.time_limit(0.05, Path("trace")):
    threading.Event().wait()
"""


def test_what_does_not_hear_loses_its_process_and_leaves_a_trace(tmp_path):
    done = subprocess.run([sys.executable, "-c", DEAF], cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Timeout" in (tmp_path / "trace").read_text()
