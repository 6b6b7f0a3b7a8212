"""`ui` prints addresses that answer, and says when its port is taken."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from pipeline import ui
from pipeline.base.errors import UserError
from pipeline.trials.journal import Journal
from tests.engines.ports import kept_ports
from tests.support.small_project import SmallProject


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with kept_ports(1) as [number]:
        monkeypatch.setattr(ui, "PORT", number)
        monkeypatch.setattr(sys, "argv", ["ui"])
        yield number


def test_a_port_in_use_is_said(project: SmallProject, port: int) -> None:
    with socket.create_server((ui.HOST, port)), pytest.raises(UserError, match=f"port {port} "):
        ui.main()


def test_addresses_are_printed_once_the_page_answers(
    project: SmallProject,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Another server takes MLflow's place, which takes long to start."""
    serve = f"import socket; socket.create_server(({ui.HOST!r}, {port})).accept(); print('asked')"
    popen = ui.subprocess.Popen
    monkeypatch.setattr(
        ui.subprocess, "Popen", lambda *_, **__: popen([sys.executable, "-c", serve])
    )
    Journal.open("small", "what it is")
    with pytest.raises(SystemExit) as end:
        ui.main()
    assert end.value.code == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "starting; Ctrl-C ends it"
    assert "Best first:" in lines
    assert any(line.startswith(f"  trials of small: http://127.0.0.1:{port}/#/") for line in lines)


def fail() -> NoReturn:
    raise BrokenPipeError


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt),
        (lambda: signal.raise_signal(signal.SIGTERM), KeyboardInterrupt),
        (fail, BrokenPipeError),
    ],
    ids=["SIGINT", "SIGTERM", "closed output"],
)
def test_the_server_ends_with_the_program(
    project: SmallProject,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[], None],
    error: type[BaseException],
) -> None:
    """Nothing else ends it: a signal may reach the program alone."""

    def answers() -> Iterator[bool]:
        yield False
        end()

    answer, popen, started = answers(), ui.subprocess.Popen, []

    def start(*_: object, **__: object) -> subprocess.Popen[bytes]:
        started.append(popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return started[0]

    monkeypatch.setattr(ui, "_answers", lambda: next(answer))
    monkeypatch.setattr(ui.subprocess, "Popen", start)
    with pytest.raises(error):
        ui.main()
    assert started[0].wait() == -signal.SIGTERM
