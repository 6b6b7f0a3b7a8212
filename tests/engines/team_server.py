"""The journal of a team as team/serve starts it, in a folder of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.engines.server import running

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(folder: Path, port: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Serve ``folder`` on ``port`` during the block; yields the address for MLFLOW_TRACKING_URI.

    Raises AssertionError with its output when the server does not answer.
    """
    address = f"http://127.0.0.1:{port}"
    command = [ROOT / "team" / "serve", folder, str(port)]
    with running(command, address, folder / "serve.log", environment):
        yield address
