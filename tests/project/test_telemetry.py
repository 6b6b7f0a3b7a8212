"""Nothing phones home: each library itself says that its telemetry is off."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stages import ROOT

SWITCHES = (
    "MLFLOW_DISABLE_TELEMETRY",
    "DO_NOT_TRACK",
    "DVC_NO_ANALYTICS",
    "HF_HUB_DISABLE_TELEMETRY",
    "RAY_USAGE_STATS_ENABLED",
)
STATES = {
    "mlflow": "from mlflow.telemetry.utils import is_telemetry_disabled as off; print(off())",
    "dvc": "from dvc.analytics import is_enabled as on; print(not on())",
    "huggingface_hub": (
        "from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY as off; print(off)"
    ),
    "ray": "from ray._common.usage.usage_lib import usage_stats_enabled as on; print(not on())",
}


def bare() -> dict[str, str]:
    """An environment in which nobody has switched anything off."""
    hidden = {"CI", "DVC_TEST", "PYTEST_CURRENT_TEST"}
    return {k: v for k, v in os.environ.items() if k not in {*SWITCHES, *hidden}}


@pytest.mark.parametrize("library", list(STATES))
def test_off_in_every_process_of_the_pipeline(library: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", f"import pipeline; {STATES[library]}"],
        env=bare() | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"


def test_off_in_dvc_as_a_person_starts_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STATES["dvc"]],
        env=bare(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("switch", SWITCHES)
def test_off_in_what_make_starts(switch: str) -> None:
    done = subprocess.run(
        ["make", "--silent", "--eval", f"shown: ; @echo $${switch}", "shown"],
        env=bare(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = "0" if switch == "RAY_USAGE_STATS_ENABLED" else "true"
    assert done.stdout.strip() == expected
