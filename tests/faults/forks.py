"""`python -m pipeline.tune`, started by fork from a process that has imported everything.

A fresh interpreter spends ten seconds on imports; here dozens of sweeps are started and killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tests.support.small_project import SmallProject
from tests.support.waiting import until


class Fork:
    """A sweep under way, in a session of its own."""

    def __init__(self, forks: Forks, pid: int, log: Path) -> None:
        self.forks, self.pid, self.log = forks, pid, log
        self.code: int | None = None

    def ended(self) -> bool:
        if self.code is None:
            self.code = self.forks.ask("poll", self.pid)
        return self.code is not None

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        self._until(lambda: False)
        assert self.code is not None
        return self.code

    def output(self) -> str:
        """What it and its descendants have printed."""
        return self.log.read_text()

    def _until(self, condition: Callable[[], bool]) -> None:
        until(lambda: self.ended() or condition(), self.output, pause=0.02)

    def until_printed(self, text: str) -> None:
        """Return when it has printed ``text``, or has ended."""
        self._until(lambda: text in self.output())

    def until_trials(self, count: int = 1) -> None:
        """Return when so many trials are done, or the sweep has ended."""
        self._until(lambda: self.output().count("\ntrial ") >= count)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if not self.ended():
            os.kill(self.pid, number)


class Forks:
    """The process that forks; a context manager. ``folder`` takes what the sweeps print."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.count = folder, 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def ask(self, *words: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, project: SmallProject, *arguments: str, **environment: str) -> Fork:
        self.count += 1
        log = self.folder / f"{self.count}.log"
        log.touch()
        pid = self.ask("start", str(project.folder), str(log), environment, arguments)
        return Fork(self, pid, log)

    def run(self, project: SmallProject, *arguments: str, **environment: str) -> Fork:
        """Raises AssertionError when it does not end well."""
        fork = self.start(project, *arguments, **environment)
        assert fork.wait() == 0, fork.output()
        return fork


def serve() -> None:
    """Answer each line of orders: the process id of a sweep, or how it has ended."""
    import pipeline.trials.sweep  # what takes the time
    import pipeline.tune
    from tests.faults import inside

    for line in sys.stdin:
        order, *words = json.loads(line)
        if order == "poll":
            pid, status = os.waitpid(words[0], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                _become(*words)
                inside.happen()
                _end_with(lambda: pipeline.tune.guarded(pipeline.tune.main))
        print(json.dumps(answer), flush=True)


def _become(folder: str, log: str, environment: dict[str, str], arguments: list[str]) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.update(environment)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, b"\n")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.argv = ["pipeline.tune", *arguments]


def _end_with(main: Callable[[], None]) -> NoReturn:
    """Without the ends of the libraries: their threads were not forked."""
    code = 1
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
