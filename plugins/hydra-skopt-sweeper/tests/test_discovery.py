"""Hydra finds the sweeper, at no cost to those who do not use it."""

import json
import subprocess
import sys

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

SCAN = """
import json, sys
from hydra.core.plugins import Plugins
times = Plugins.instance().get_stats().modules_import_time
print(json.dumps({
    "seconds": sum(t for name, t in times.items() if ".hydra_skopt_sweeper" in name),
    "loaded": [m for m in ("skopt", "sklearn", "scipy", "numpy") if m in sys.modules],
}))
"""


def scan() -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", SCAN], capture_output=True, text=True, check=True)
    scanned = json.loads(done.stdout)
    assert isinstance(scanned, dict)
    return scanned


def test_hydra_finds_the_sweeper() -> None:
    assert "SkoptSweeper" in [plugin.__name__ for plugin in Plugins.instance().discover(Sweeper)]


def test_finding_it_loads_nothing_heavy_and_takes_under_50_ms() -> None:
    scans = [scan() for _ in range(3)]  # the least of three: the machine may be busy
    assert min(float(str(one["seconds"])) for one in scans) < 0.05
    assert all(one["loaded"] == [] for one in scans)
