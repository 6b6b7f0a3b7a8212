"""Run a command: ``vdtransfer COMMAND`` is the program ``python -m pipeline.COMMAND``.

A module on the top floor of this package is a command, and its docstring begins with one line on
what it does.
"""

import ast
import runpy
import sys
from pathlib import Path

from pipeline import __version__

_PERSON = ("init", "plan", "tune", "predict", "ui", "weights")
"""Commands for people with their own images, in the order of use; they are listed first."""


def commands() -> dict[str, str]:
    """Return every command with the first line of its docstring; none is imported."""
    folder = Path(__file__).parent
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    ordered = [*_PERSON, *(name for name in names if name not in _PERSON)]
    return {name: _first_line(folder / f"{name}.py") for name in ordered}


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def _help() -> str:
    known = commands()
    width = max(map(len, known))
    lines = [f"  {name:<{width}}  {description}" for name, description in known.items()]
    return "\n".join(
        [
            "usage: vdtransfer COMMAND ...",
            "",
            "Fine-tune a pretrained network on a folder of images and search its hyperparameters.",
            "",
            *lines,
            "",
            "vdtransfer COMMAND --help describes a command; vdtransfer --version says which it is.",
        ]
    )


def main() -> None:
    """Run the command that the arguments name; exit with 2 if there is no such command."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
    elif name == "--version":
        print(f"vdtransfer {__version__}")
    elif name in commands():
        sys.argv = [f"vdtransfer {name}", *arguments]
        try:
            runpy.run_module(f"pipeline.{name}", run_name="__main__", alter_sys=True)
        except KeyboardInterrupt:  # while it imports, which takes seconds
            print("interrupted", file=sys.stderr)
            sys.exit(130)
    else:
        print(f"error: no command '{name}'. Allowed: {', '.join(commands())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
