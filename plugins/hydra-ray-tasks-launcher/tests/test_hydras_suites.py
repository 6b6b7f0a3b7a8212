"""The tests that Hydra ships for every launcher, with jobs as Ray tasks."""

import pytest
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.usefixtures("local_ray")]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("ray_tasks", [])])
class TestLauncher(LauncherTestSuite):
    """Sweeps in this process."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({"defaults": [{"override hydra/launcher": "ray_tasks"}]}, ["--multirun"])],
)
class TestIntegration(IntegrationTestSuite):
    """Programs that sweep in a process of their own."""
