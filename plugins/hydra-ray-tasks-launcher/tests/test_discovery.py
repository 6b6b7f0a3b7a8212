"""Hydra finds the launcher without importing Ray."""

import json
import subprocess
import sys

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

SCAN = """
import json, sys
from hydra.core.plugins import Plugins
Plugins.instance()
print(json.dumps([name for name in ("ray",) if name in sys.modules]))
"""


def test_hydra_finds_the_launcher() -> None:
    names = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
    assert "RayTasksLauncher" in names


def test_finding_it_does_not_import_ray() -> None:
    done = subprocess.run([sys.executable, "-c", SCAN], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
