"""A Ray cluster on loopback: a head that runs nothing and workers of one core each."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

UNDISTURBED = {"RAY_memory_monitor_refresh_ms": "0"}
"""Else Ray ends a trial and starts it again when other programs fill the machine's memory."""
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes 127.0.0.1 the address of a node, on which alone it then listens; read by Ray's import.
`ray start` refuses a second node with it, Ray's own cluster for tests does not.
"""
_CLUSTER = """
import sys
from ray.cluster_utils import Cluster
head = {"num_cpus": 0, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
for _ in range(int(sys.argv[1])):
    cluster.add_node(num_cpus=1)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def cluster(folder: Path, environment: Mapping[str, str], workers: int) -> Iterator[str]:
    """Start it with ``folder`` as its working directory and yield its address; end it with the
    block. Raises RuntimeError when it does not come up.
    """
    log = folder / "cluster.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", _CLUSTER, str(workers)],
            cwd=folder,
            env={**environment, **ON_LOOPBACK, **UNDISTURBED},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            name, _, address = line.strip().partition(" ")
            if name == "address":
                yield address
                break
        else:
            raise RuntimeError(f"Ray did not come up\n{log.read_text()[-2000:]}")
        process.communicate()  # the end of its input ends it
