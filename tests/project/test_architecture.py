"""The order of the folders of pipeline/: what may import what. Read from the source alone."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("base", "settings", "datasets", "models", "training", "trials")
"""Each may import those before it; nothing imports a command."""
TOP = ("deployment", "search", "planning", "reporting")
"""Beside each other, above the floors."""
PROJECTS = "projects"
"""Above those, and below the commands."""
LAUNCHERS = {"__init__", "__main__"}
"""Files beside the commands that are none."""
IMPORTERS = {
    "torch": {"settings", "models", "training", "planning", "deployment"},
    "pytorch_lightning": {"training"},
    "timm": {"models", "deployment"},
    "mlflow": {"trials", "deployment"},
    "hydra": {"settings", "trials", "tune"},
    "onnx": {"deployment"},
    "onnxruntime": {"deployment"},
}
"""The folders and commands that may import a library, at the head of a module or in a function."""
LIGHT = ("settings", "datasets", "reporting")
"""Import no torch when they are imported: their commands answer at once."""


def source(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of pipeline/, such as ``trials.run``, and its file."""
    folder = ROOT / "pipeline"
    paths = {path.relative_to(folder).with_suffix(""): path for path in folder.rglob("*.py")}
    return {".".join(path.parts): file for path, file in sorted(paths.items())}


@functools.cache
def commands() -> list[str]:
    return [name for name in modules() if "." not in name and name not in LAUNCHERS]


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module imports anywhere, `from a import b` as ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            yield from (f"{package}.{alias.name}" for alias in node.names)


def at_the_head(tree: ast.Module) -> ast.Module:
    """What runs when the module is imported: no functions, nothing under TYPE_CHECKING."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, _: ast.FunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.AST | None:
            checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            return None if checking else self.generic_visit(node)

    return Strip().visit(tree)


@functools.cache
def needs() -> dict[str, set[str]]:
    """The modules of pipeline that each module imports."""
    found: dict[str, set[str]] = {}
    for module in modules():
        found[module] = set()
        for name in imported(source(module)):
            assert not name.startswith("."), f"{module}: write imports from pipeline on"
            parts = name.split(".")
            if parts[0] == "pipeline" and len(parts) > 1:
                whole, parent = ".".join(parts[1:]), ".".join(parts[1:-1])
                match = [each for each in (whole, parent, f"{whole}.__init__") if each in modules()]
                match = match or [f"{parent}.__init__".lstrip(".")]
                assert match[0] in modules(), f"{module} imports {name}, which is not there"
                found[module].add(match[0])
    return found


def place(module: str) -> str:
    return module.partition(".")[0]


def floor(module: str) -> int:
    """How high a module lies; -1 is the package itself, which only sets the environment."""
    if place(module) in FLOORS:
        return FLOORS.index(place(module))
    if place(module) in TOP:
        return len(FLOORS)
    if place(module) == PROJECTS:
        return len(FLOORS) + 1
    return -1 if module == "__init__" else len(FLOORS) + 2


def test_every_folder_has_its_place_in_the_order() -> None:
    folders = {place(module) for module in modules() if "." in module}
    assert folders == {*FLOORS, *TOP, PROJECTS}


@pytest.mark.parametrize("name", commands())
def test_the_top_holds_commands_that_say_how_they_run(name: str) -> None:
    tree = source(name)
    assert f"python -m pipeline.{name}" in (ast.get_docstring(tree) or "")
    *_, last = tree.body
    assert isinstance(last, ast.If)
    assert ast.unparse(last.test) == "__name__ == '__main__'"


def test_imports_point_down() -> None:
    up = [
        f"{module} -> {need}"
        for module, found in needs().items()
        if module != "__main__"  # starts the commands
        for need in found
        if floor(need) > floor(module)
        or (floor(need) == floor(module) and place(need) != place(module))
    ]
    assert up == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    tuple(TopologicalSorter(needs()).static_order())  # raises CycleError


@pytest.mark.parametrize("library", IMPORTERS)
def test_a_library_is_imported_where_its_work_is_done(library: str) -> None:
    users = {
        place(module)
        for module in modules()
        if library in {name.partition(".")[0] for name in imported(source(module))}
    }
    assert users <= IMPORTERS[library]


@pytest.mark.parametrize("folder", LIGHT)
def test_nothing_that_must_start_at_once_imports_torch(folder: str) -> None:
    heavy = {
        module
        for module in modules()
        for name in imported(at_the_head(source(module)))
        if name.partition(".")[0] in {"torch", "torchvision", "timm", "mlflow"}
    }
    waiting = [module for module in modules() if place(module) == folder]
    reached = set(waiting)
    while waiting:
        new = needs()[waiting.pop()] - reached
        reached |= new
        waiting += new
    assert reached & heavy == set()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins").glob("*/src")), ids=lambda p: p.parent.name
)
def test_a_plugin_stands_without_the_pipeline(path: Path) -> None:
    files = sorted(path.rglob("*.py"))
    assert files
    for file in files:
        names = imported(ast.parse(file.read_text(encoding="utf-8")))
        assert "pipeline" not in {name.partition(".")[0] for name in names}, file
