"""The plugins stand alone, and nobody but this checkout provides them."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
NAMES = [tomllib.loads((p / "pyproject.toml").read_text())["project"]["name"] for p in PLUGINS]


def imports(folder: Path) -> Iterator[tuple[Path, str]]:
    """The file and the dotted name of everything that the Python files below a folder import."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


def test_the_application_uses_only_public_names_of_the_plugins() -> None:
    used = [
        (path, name)
        for folder in ("pipeline", "benchmarks")
        for path, name in imports(ROOT / folder)
        if re.match(r"hydra_(plugins|skopt_sweeper|ray_tasks)", name)
    ]
    assert used
    assert [(path, name) for path, name in used if "._" in name] == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=NAMES)
def test_a_plugin_imports_nothing_of_the_application(plugin: Path) -> None:
    roots = {name.partition(".")[0] for _, name in imports(plugin)}
    assert "hydra" in roots
    assert roots & {"pipeline", "benchmarks", "tests"} == set()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_setup_installs_the_plugins_from_their_folders_and_asks_no_index(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    done = subprocess.run(
        ["make", "-n", "setup", f"VENV={environment}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    [command] = [
        line for line in done.stdout.replace("\\\n", "").splitlines() if "plugins/" in line
    ]
    assert all(f"-e {plugin.relative_to(ROOT)}" in command for plugin in PLUGINS)
    assert "--no-index" in command.split()
    assert "--no-deps" in command.split()


@pytest.mark.parametrize("name", NAMES)
def test_no_index_is_asked_for_a_plugin(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [project["dependencies"], *project["optional-dependencies"].values()]
    assert not [one for some in asked for one in some if one.startswith(name)]
    assert name not in (ROOT / "requirements.lock").read_text()
