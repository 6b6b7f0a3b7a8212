"""A server of another program, on loopback, for the length of a block."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.waiting import until

_WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Nothing here needs the nine processes with which MLflow's server runs jobs."""


@contextmanager
def running(
    command: Sequence[str | Path], address: str, log: Path, environment: Mapping[str, str]
) -> Iterator[None]:
    """Wait until ``address/health`` answers, and end the server after the block.

    Raises AssertionError with its output when it does not answer.
    """
    with log.open("ab") as output:
        server = subprocess.Popen(
            command, env={**environment, **_WITHOUT_JOBS}, stdout=output, stderr=output
        )
    try:
        until(lambda: server.poll() is not None or _answers(address), log.read_text)
        assert server.poll() is None, log.read_text()
        yield
    finally:
        server.terminate()
        server.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
