"""Verify changed copies of the project, each in a fork of one process that has torch imported.

Reads [module, old text, new text] lists as JSON from its input and writes, for each, what `make
verify-trials` would say of such a copy: its exit code and its output.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import tests.golden.verify_trials  # noqa: F401  every library that the forks need comes with it

ROOT = Path(__file__).parents[2]
AT_ONCE = 2


def mutated(module: str, old: str, new: str) -> str:
    """Return the text of a module with ``old``, which must occur once, replaced by ``new``."""
    text = (ROOT / "pipeline" / module).read_text()
    if not old:
        return text
    assert text.count(old) == 1, f"{module}: {text.count(old)} times {old!r}"
    return text.replace(old, new)


def copied(folder: Path, module: str, old: str, new: str) -> None:
    """Copy what verification reads to ``folder``, with ``module`` mutated."""
    text = mutated(module, old, new)
    for part in ("pipeline", "tests/golden"):
        shutil.copytree(ROOT / part, folder / part)
    (folder / "pipeline" / module).write_text(text)


def verify(folder: Path, mutant: list[str]) -> None:
    """End this process as the verification of the copy ends."""
    code = 70
    try:
        with (folder / "output").open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        copied(folder, *mutant)
        for module in [each for each in sys.modules if each.split(".")[0] in ("pipeline", "tests")]:
            del sys.modules[module]
        sys.path.insert(0, str(folder))
        from tests.golden.verify_trials import main

        code = main(["--check"])
    except BaseException as error:  # a fork must not go on with its parent's work
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    mutants = json.load(sys.stdin)
    answers: list[tuple[int, str]] = [(70, "")] * len(mutants)
    running: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as name:
        for number in range(len(mutants) + AT_ONCE):
            if len(running) == AT_ONCE or (number >= len(mutants) and running):
                pid, status = os.wait()
                done = running.pop(pid)
                folder = Path(name) / str(done)
                code = os.waitstatus_to_exitcode(status)
                answers[done] = (code, (folder / "output").read_text())
                shutil.rmtree(folder)
            if number < len(mutants):
                folder = Path(name) / str(number)
                folder.mkdir()
                pid = os.fork()
                if pid == 0:
                    verify(folder, mutants[number])
                running[pid] = number
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
