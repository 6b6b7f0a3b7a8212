"""Sweeps on a real Ray cluster of two workers."""

import secrets
from importlib.util import find_spec

import psutil
import pytest

from tests.engines.listening import beyond_loopback
from tests.engines.ray_cluster import ON_LOOPBACK, cluster
from tests.engines.sweeps import check_launched
from tests.support.small_project import SmallProject

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: vdtransfer[ray]"),
]


def test_two_workers_give_the_tables_of_the_serial_run(project: SmallProject) -> None:
    key = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex()}
    with cluster(project.folder, project.environment() | key, workers=2) as address:
        launcher = {"VDTRANSFER_LAUNCHER": "ray", "RAY_ADDRESS": address}
        check_launched(project, key | launcher | ON_LOOPBACK)
        assert beyond_loopback(psutil.Process()) == []
