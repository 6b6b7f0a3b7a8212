"""A Ray cluster on loopback: a head that runs nothing and workers of one core each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.engines.ports import free_ports

RAY = Path(sys.executable).parent / "ray"
_WAIT = """
import sys, time, ray
address, count = sys.argv[1], int(sys.argv[2])
end = time.monotonic() + 300
while True:
    try:
        ray.init(address, log_to_driver=False)
        break
    except Exception:
        if time.monotonic() > end:
            raise
        time.sleep(0.5)
while sum(node["Alive"] for node in ray.nodes()) < count:
    if time.monotonic() > end:
        sys.exit(f"{ray.nodes()}")
    time.sleep(0.2)
"""


@contextmanager
def cluster(folder: Path, environment: Mapping[str, str], workers: int) -> Iterator[str]:
    """Start it with ``folder`` as its working directory and yield its address; end it with the
    block. Raises RuntimeError when it does not come up.
    """
    host = "127.0.0.2"  # Ray takes 127.0.0.1 for the address that other machines reach
    (port,) = free_ports(1, host)
    address = f"{host}:{port}"
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-"))
        log = stack.enter_context((Path(scratch) / "start.log").open("wb"))

        def start(*arguments: str) -> None:
            process = subprocess.Popen(
                [
                    *(RAY, "start", "--block", "--disable-usage-stats"),
                    *(f"--node-ip-address={host}", "--object-store-memory=100000000"),
                    *arguments,
                ],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)

        start(
            *("--head", f"--port={port}", "--num-cpus=0"),
            *("--include-dashboard=false", f"--temp-dir={scratch}"),
        )
        _wait(address, 1, environment)
        for _ in range(workers):
            start(f"--address={address}", "--num-cpus=1")
        _wait(address, 1 + workers, environment)
        yield address


def _wait(address: str, nodes: int, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WAIT, address, str(nodes)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Ray did not come up\n{done.stderr[-2000:]}")
