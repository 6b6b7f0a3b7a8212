"""Every script of benchmarks/ starts as its help says: `python benchmarks/NAME.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ASK_ALL = f"""
import contextlib, io, runpy, sys
from pathlib import Path

sys.path.insert(0, "{BENCHMARKS}")  # as Python does for a script there
for script in sorted(Path("{BENCHMARKS}").glob("*.py")):
    if '__name__ == "__main__"' not in script.read_text():
        continue
    sys.argv = [str(script), "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        runpy.run_path(str(script), run_name="__main__")
    assert f"usage: {{script.name}}" in shown.getvalue(), script
assert "benchmarks" not in sys.modules, "found beside the scripts only when the root is on the path"
"""


@pytest.mark.slow
def test_every_script_answers_help_from_any_folder(tmp_path):
    subprocess.run([sys.executable, "-c", ASK_ALL], cwd=tmp_path, check=True)
