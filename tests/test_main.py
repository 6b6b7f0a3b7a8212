"""The program itself: what it says before a command has begun."""

import runpy

import pytest

from pipeline.__main__ import main


def test_ctrl_c_while_a_command_is_imported_is_one_line(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runpy, "run_module", interrupted)
    monkeypatch.setattr("sys.argv", ["vdtransfer", "weights", "file.pth"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
