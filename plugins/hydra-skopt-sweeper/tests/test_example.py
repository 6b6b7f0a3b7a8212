"""The example runs as its first line says."""

import subprocess
import sys
from pathlib import Path

import hydra_skopt_sweeper
from sweeping import read_results


def test_the_example_tunes_a_machine(tmp_path: Path) -> None:
    example = Path(hydra_skopt_sweeper.__file__).parent / "example/digits.py"
    command = [sys.executable, str(example), "--multirun", "hydra.sweeper.n_trials=2"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert read_results(tmp_path / "outputs/digits")["best_value"] > 0.9
