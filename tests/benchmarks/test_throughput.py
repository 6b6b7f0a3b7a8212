"""benchmarks/throughput.py through its command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "throughput.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_table_and_json_hold_the_same_figures(tmp_path: Path) -> None:
    target = tmp_path / "throughput.json"
    tiny = ["--size", "32", "--batch", "2", "--steps", "2", "--repeats", "1", "--trials", "2"]
    done = run(*tiny, "--json", str(target))
    assert done.returncode == 0, done.stderr
    found = json.loads(target.read_text())
    (result,) = found["results"]
    rate = result["images_per_second"]
    assert result["trial_over_floor"] == pytest.approx(rate["trial"] / rate["floor"])
    assert result["trial_over_stock"] == pytest.approx(rate["trial"] / rate["stock"])
    row = f"{32:>6} {rate['floor']:8.2f} {rate['trial']:8.2f} {rate['stock']:8.2f}"
    assert any(line.startswith(row) for line in done.stdout.splitlines()), done.stdout
    fixed = found["fixed_cost"]
    assert 0 < fixed["outside_fit_seconds"] < fixed["whole_trial_seconds"]
    assert f"{fixed['outside_fit_seconds']:.2f} s outside fit" in done.stdout


@pytest.mark.slow
def test_a_number_of_steps_that_makes_no_two_epochs_is_refused() -> None:
    done = run("--steps", "3")
    assert done.returncode == 2
    assert "--steps takes even numbers" in done.stderr
