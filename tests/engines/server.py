"""A server of another program, on loopback, for the length of a block."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

SECONDS = 180.0


@contextmanager
def running(
    command: Sequence[str | Path], address: str, log: Path, environment: Mapping[str, str]
) -> Iterator[None]:
    """Wait until ``address/health`` answers, and end the server after the block.

    Raises RuntimeError with its output when it does not answer.
    """
    with log.open("ab") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        end = time.monotonic() + SECONDS
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"no answer at {address}\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield
    finally:
        server.terminate()
        server.wait(60)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
