"""benchmarks/memory.py through its command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "memory.py"


@pytest.mark.slow
def test_peaks_are_those_of_a_training_process(tmp_path: Path) -> None:
    target = tmp_path / "memory.json"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--images", "40", "80", "--json", str(target)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(target.read_text())
    few, many = found["cases"]
    assert [few["images"], many["images"]] == [40, 80]
    weights_gradients_momentum = 3 * 4 * 23_500_000
    assert min(few["peak_bytes"], many["peak_bytes"]) > weights_gradients_momentum
    assert found["difference_bytes"] == many["peak_bytes"] - few["peak_bytes"]
    assert f"{found['difference_bytes'] / 1e6:.0f} MB" in done.stdout
