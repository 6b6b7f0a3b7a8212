"""A stranger's way: an empty environment, the wheel alone, the example as the README prints it."""

import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hydra_skopt_sweeper import __version__
from sweeping import read_results, read_rows

PLUGIN = Path(__file__).parents[1]
README = (PLUGIN / "README.md").read_text(encoding="utf-8")
MEGABYTE = 2**20


def printed(start: str) -> list[str]:
    """The one command of the README's section on installing that begins so, as words."""
    section = README.split("## Install", 1)[1].split("\n## ", 1)[0]
    [command] = [line for line in section.splitlines() if line.startswith(f"    {start} ")]
    return shlex.split(command)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, source = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("source") / "plugin"
    leftovers = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")  # of other builds
    shutil.copytree(PLUGIN, source, ignore=leftovers)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(source)], check=True)
    [file] = folder.iterdir()
    return file


@pytest.mark.slow
def test_the_wheel_holds_all_that_its_user_needs(wheel: Path) -> None:
    assert printed("pip install")[2:] == [f"dist/{wheel.name}"]
    assert wheel.name == f"hydra_skopt_sweeper-{__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "hydra_skopt_sweeper/py.typed",
        "hydra_skopt_sweeper/example/digits.py",
        "hydra_skopt_sweeper/example/digits.yaml",
        "hydra_plugins/hydra_skopt_sweeper/config.py",
    } <= names
    assert "hydra_plugins/__init__.py" not in names
    assert [name for name in names if name.endswith("LICENSE")]


@pytest.mark.slow
def test_the_example_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, str(wheel)], check=True)
    taken = sum(path.lstat().st_blocks * 512 for path in environment.rglob("*"))
    assert taken < 400 * MEGABYTE, f"{taken / MEGABYTE:.0f} MB"
    _, *arguments = printed("python")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    subprocess.run([python, *arguments], cwd=tmp_path, env=clean, check=True)
    assert read_results(tmp_path / "outputs/digits")["best_value"] > 0.9
    assert len(read_rows(tmp_path / "outputs/digits")) == 2
    subprocess.run([python, "-m", "pip", "check"], check=True)
