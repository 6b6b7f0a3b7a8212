"""The front door every stage shares: arguments in, one message and an exit code out."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.settings.command_line import guarded, stage
from pipeline.settings.machine import STARTED

ROOT = Path(__file__).parents[2]


def leave(error):
    def main():
        raise error

    return main


def test_a_users_mistake_is_one_message_and_2(capsys):
    with pytest.raises(SystemExit) as left:
        guarded(leave(UserError("lr: found 'abc'")))
    assert left.value.code == 2
    assert capsys.readouterr().err == "error: lr: found 'abc'\n"


def test_ctrl_c_says_how_to_go_on_and_130(capsys):
    with pytest.raises(SystemExit) as left:
        guarded(leave(KeyboardInterrupt()))
    assert left.value.code == 130
    assert "run the same command to go on" in capsys.readouterr().err


def test_a_stage_leaves_the_message_on_ctrl_c_to_the_command_that_runs_it(capsys, monkeypatch):
    monkeypatch.setenv(STARTED, "0.0")
    with pytest.raises(SystemExit) as left:
        guarded(leave(KeyboardInterrupt()))
    assert left.value.code == 130
    assert capsys.readouterr().err == ""


def test_a_full_disk_is_one_message_and_2(capsys):
    error = OSError(errno.ENOSPC, "No space left on device", "/data/pixels.bin")
    with pytest.raises(SystemExit) as left:
        guarded(leave(error))
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("error: the disk of /data/pixels.bin is full")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_folder_that_cannot_be_written_is_one_message_and_2(capsys, number):
    def fail():
        raise OSError(number, "Not allowed", "results/digits")

    with pytest.raises(SystemExit) as stopped:
        guarded(fail)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        "error: results/digits: Not allowed. Make it accessible and run the same command "
        "again; what was finished is kept\n"
    )


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        guarded(leave(ZeroDivisionError()))


def test_overrides_may_stand_before_and_after_the_folder(project, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "argv", ["x", "seed=3", "--config-path", str(project.folder)])
    stage(seen.append, "A stage.")
    assert seen[0].seed == 3
    assert seen[0].project == "small"


def test_help_tells_the_stage_and_the_names_of_the_groups(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--help"])
    with pytest.raises(SystemExit) as left:
        stage(lambda _: None, "Measure something.")
    assert left.value.code == 0
    printed = capsys.readouterr().out
    for words in ("Measure something.", "strategy=bayes|fixed|grid|random", "digits", "heldout"):
        assert words in printed


def test_the_first_lines_of_a_stage_load_no_torch():
    check = (
        "import sys, pipeline.tune, pipeline.report, pipeline.decide; from pathlib import Path; "
        "pipeline.tune.compose(Path('quickstart'), [], pipeline.tune.require_network); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'mlflow', 'timm')))"
    )
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


BAD = [
    (["strategy=bayez"], "no strategy 'bayez'"),
    (["epochs=-1"], "Did you mean recipe.epochs?"),
    (["recipe.epochs=-1"], "recipe.epochs"),
    (["lr=abc"], "lr"),
]


@pytest.mark.parametrize(
    ("overrides", "printed"),
    [BAD[0], *(pytest.param(*bad, marks=pytest.mark.slow) for bad in BAD[1:])],
)
def test_tune_stops_at_its_door(project, overrides, printed):
    done = project.run("tune", *overrides)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert printed in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (project.folder / "results").exists()
    assert project.runs() == []


@pytest.mark.slow
@pytest.mark.parametrize("module", ["download", "prepare", "evaluate", "report"])
def test_every_other_stage_has_the_same_door(project, module):
    done = project.run(module, "strategy=bayez")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
