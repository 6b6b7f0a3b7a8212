"""The journal of a team as team/serve starts it, in a folder of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
SECONDS = 180.0


@contextmanager
def serving(folder: Path, port: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Serve ``folder`` on ``port`` during the block; yields the address for MLFLOW_TRACKING_URI.

    Raises RuntimeError with its output when the server does not answer.
    """
    address = f"http://127.0.0.1:{port}"
    log = folder / "serve.log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            [ROOT / "team" / "serve", folder, str(port)],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + SECONDS
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"no answer at {address}\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(60)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
