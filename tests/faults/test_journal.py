"""The tracking server away for a while and for good; the database locked by somebody else."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil

from tests.faults import inside
from tests.faults.conftest import Tally
from tests.faults.forks import Forks
from tests.faults.simulated import FULL, SimulatedProject, require_survived, undisturbed
from tests.support.waiting import until

AWAY_SECONDS = 60.0 if FULL else 20.0
LOCKED_SECONDS = 25.0
"""SQLite as MLflow opens it gives up after 20."""
WAITS = {inside.FAULT: "wait"}


@contextmanager
def server(project: SimulatedProject, port: int) -> Iterator[None]:
    """A tracking server with the project's own database, killed at the end of the block."""
    runs = project.folder / "runs"
    with (
        (runs / "server.log").open("ab") as log,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{runs / 'mlflow.db'}"),
                *("--artifacts-destination", str(runs / "artifacts")),
            ],
            env=project.environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            until(lambda: process.poll() is not None or answers(port))
            assert process.poll() is None, (runs / "server.log").read_text()[-3000:]
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                server = psutil.Process(process.pid)
                for each in [server, *server.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"{uri(port)}/health").is_success
    except httpx.TransportError:
        return False


def uri(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def test_the_tracking_server_comes_back_or_does_not(
    forks: Forks, small: SimulatedProject, tally: Tally, port: int
) -> None:
    expected = undisturbed(forks, small, "grid")
    gate = small.folder / inside.GATE
    environment = {"MLFLOW_TRACKING_URI": uri(port), **WAITS}
    impatient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
    with server(small, port):
        sweep = forks.start(small, "strategy=grid", **environment, **impatient)
        sweep.until_trials(2)
    tally.injected()
    gate.touch()
    assert sweep.wait() == 2, sweep.output()
    assert f"error: cannot use the MLflow store {uri(port)}" in sweep.output()
    assert "run the same command" in sweep.output()

    gate.unlink()
    with server(small, port):
        sweep = forks.start(small, "strategy=grid", **environment)
        sweep.until_trials(2)
    tally.injected()
    gate.touch()
    time.sleep(AWAY_SECONDS)
    with server(small, port):
        assert sweep.wait() == 0, sweep.output()
    require_survived(small, "grid", expected)


def test_a_database_that_somebody_locks(
    forks: Forks, small: SimulatedProject, tally: Tally
) -> None:
    expected = undisturbed(forks, small, "grid")
    sweep = forks.start(small, "strategy=grid", **WAITS)
    sweep.until_trials(2)
    with sqlite3.connect(small.folder / "runs" / "mlflow.db", timeout=60) as database:
        database.execute("BEGIN EXCLUSIVE")
        tally.injected()
        (small.folder / inside.GATE).touch()
        time.sleep(LOCKED_SECONDS)
    assert sweep.wait() == 0, sweep.output()
    require_survived(small, "grid", expected)
