"""One Ray on this machine for all tests, which each process joins by RAY_ADDRESS."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def local_ray() -> Iterator[str]:
    """Start Ray on loopback with two cores; its address is in the environment meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray = pytest.importorskip("ray", reason="Ray is not installed")
        context = ray.init(address="local", num_cpus=2, include_dashboard=False)
        patch.setenv("RAY_ADDRESS", context.address_info["address"])
        yield os.environ["RAY_ADDRESS"]
        ray.shutdown()
