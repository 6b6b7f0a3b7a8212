"""The tracking server away for a while and for good; the database locked by somebody else."""

import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil

from tests.faults.conftest import Tally
from tests.faults.forks import Forks
from tests.faults.simulated import FULL, SimulatedProject, require_survived, undisturbed

AWAY_SECONDS = 60.0 if FULL else 20.0
LOCKED_SECONDS = 25.0
"""SQLite as MLflow opens it gives up after 20."""


@contextmanager
def server(project: SimulatedProject, address: tuple[str, int]) -> Iterator[None]:
    """A tracking server with the project's own database, killed at the end of the block."""
    runs = project.folder / "runs"
    with (
        (runs / "server.log").open("ab") as log,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", address[0], "--port", str(address[1])),
                *("--backend-store-uri", f"sqlite:///{runs / 'mlflow.db'}"),
                *("--artifacts-destination", str(runs / "artifacts")),
            ],
            env=project.environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            while process.poll() is None:
                with suppress(httpx.TransportError):
                    if httpx.get(f"{uri(address)}/health").is_success:
                        break
                time.sleep(0.2)
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                server = psutil.Process(process.pid)
                for each in [server, *server.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()


def free_address() -> tuple[str, int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return "127.0.0.1", found.getsockname()[1]


def uri(address: tuple[str, int]) -> str:
    return f"http://{address[0]}:{address[1]}"


def test_the_tracking_server_comes_back_or_does_not(
    forks: Forks, small: SimulatedProject, tally: Tally
) -> None:
    expected = undisturbed(forks, small, "grid")
    address = free_address()
    environment = {"MLFLOW_TRACKING_URI": uri(address)}
    impatient = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
    with server(small, address):
        sweep = forks.start(small, "strategy=grid", **environment, **impatient)
        sweep.until_trials(1)
    tally.injected()
    assert sweep.wait() == 2, sweep.output()
    assert f"error: cannot use the MLflow store {uri(address)}" in sweep.output()
    assert "run the same command" in sweep.output()

    with server(small, address):
        sweep = forks.start(small, "strategy=grid", **environment)
        sweep.until_trials(2)
    tally.injected()
    time.sleep(AWAY_SECONDS)
    with server(small, address):
        assert sweep.wait() == 0, sweep.output()
    require_survived(small, "grid", expected)


def test_a_database_that_somebody_locks(
    forks: Forks, small: SimulatedProject, tally: Tally
) -> None:
    expected = undisturbed(forks, small, "grid")
    sweep = forks.start(small, "strategy=grid")
    sweep.until_trials()
    with sqlite3.connect(small.folder / "runs" / "mlflow.db", timeout=60) as database:
        database.execute("BEGIN EXCLUSIVE")
        tally.injected()
        time.sleep(LOCKED_SECONDS)
    assert sweep.wait() == 0, sweep.output()
    require_survived(small, "grid", expected)
