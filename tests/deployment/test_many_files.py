"""predict on many files: in order, into a CSV file, and on from where a run was stopped."""

import csv
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import UserError
from pipeline.deployment import predictor, unfinished
from pipeline.deployment.classifying import Prediction, predictions
from pipeline.deployment.inputs import Unreadable
from pipeline.deployment.printing import PRINTERS
from pipeline.predict import main
from pipeline.settings.machine import STARTED
from tests.support.miniatures import jpeg
from tests.support.packaged_model import description

ROOT = Path(__file__).parents[2]
COUNT = 40


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:03}.jpg").write_bytes(jpeg(number % 3, number))
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("threads", ["1", "3"])
def test_many_files_give_the_answers_of_each_alone(
    model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    monkeypatch.setenv("VDTRANSFER_THREADS", threads)
    (photos / "005.jpg").write_bytes(b"no image")
    paths, opened, unreadable = sorted(photos.iterdir()), predictor.load(model), Unreadable()
    together = list(predictions(opened, paths, 2, unreadable))
    assert [each.path for each in together] == [path for path in paths if path.stem != "005"]
    assert unreadable.count == 1
    for each in together:
        (alone,) = predictions(opened, [each.path], 2, unreadable)
        assert [name for name, _ in alone.ranked] == [name for name, _ in each.ranked]
        assert alone.probability == pytest.approx(each.probability, abs=1e-5)


def test_an_error_in_a_thread_ends_all(model: Path, photos: Path) -> None:
    opened = predictor.load(model)
    broken = predictor.Predictor(opened.description, lambda images: np.full((len(images), 3), None))
    with pytest.raises(TypeError):
        list(predictions(broken, sorted(photos.iterdir()), 1, Unreadable()))


def test_a_stopped_run_is_continued(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    assert main([str(model), str(photos), "--output", str(whole)]) == 0
    assert f"{whole}: {COUNT} images" in capsys.readouterr().out
    assert len(rows(whole)) == 3 * COUNT
    request, opened = unfinished.Request(description(), 5, 0.0), predictor.load(model)
    asked = []

    def stopped(paths: Sequence[Path]) -> Iterator[Prediction]:
        for number, each in enumerate(predictions(opened, paths, 5, Unreadable())):
            if number == 17:
                raise KeyboardInterrupt
            yield each

    with pytest.raises(KeyboardInterrupt):
        unfinished.write(out, request, sorted(photos.iterdir()), stopped)
    assert not out.exists()
    left = tmp_path / "out.csv.unfinished"
    with left.open("ab") as file:
        file.write(b'{"path": "half a li')

    def finished(paths: Sequence[Path]) -> Iterator[Prediction]:
        asked.extend(paths)
        return predictions(opened, paths, 5, Unreadable())

    assert unfinished.write(out, request, sorted(photos.iterdir()), finished) == 17
    assert len(asked) == COUNT - 17
    assert out.read_bytes() == whole.read_bytes()
    assert {each.name for each in tmp_path.iterdir()} == {"photos", "whole.csv", "out.csv"}


@pytest.mark.parametrize("continues", [True, False])
def test_ctrl_c_says_whether_the_same_command_goes_on(
    model: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    continues: bool,
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    output = [f"--output={tmp_path / 'out.csv'}"] if continues else []
    monkeypatch.setattr(sys, "argv", ["predict", str(model), str(photos), *output])
    monkeypatch.setattr(unfinished, "plain", stopped)
    monkeypatch.setitem(PRINTERS, "table", stopped)
    monkeypatch.delattr(signal, "SIGPIPE")  # its handler would stay
    monkeypatch.delenv(STARTED, raising=False)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "pipeline" / "predict.py"), run_name="__main__")
    assert end.value.code == 130
    advice = ": what was finished is kept; run the same command to go on" if continues else ""
    assert f"interrupted{advice}\n" in capsys.readouterr().err


def test_what_cannot_be_continued_is_refused(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    left = tmp_path / "out.csv.unfinished"
    asked = [str(model), str(photos), "--output", str(out)]
    left.write_text('{"request": "of another model"}\n')
    with pytest.raises(UserError, match=r"unfinished was left by another model or other options"):
        main(asked)
    request = unfinished.Request(predictor.load(model).description, 5, 0.0)
    left.write_text(f'{{"request": "{request.digest}"}}\n{{"path": "elsewhere.jpg"}}\n')
    with pytest.raises(UserError, match=r"a run over other images, such as elsewhere\.jpg"):
        main(asked)
    left.write_text("[]\n")
    with pytest.raises(UserError, match="unfinished is damaged; remove it to begin again"):
        main(asked)
    left.unlink()
    out.write_text("kept")
    with pytest.raises(UserError, match=r"out\.csv exists; remove it, or choose another name"):
        main(asked)
    assert out.read_text() == "kept"
    with pytest.raises(UserError, match="leave out --evaluate and --format"):
        main([*asked, "--format", "json"])
    with pytest.raises(UserError, match=r"--output: .*000\.jpg: "):
        main([*asked[:3], str(photos / "000.jpg" / "out.csv")])


KILLED = """
import os, signal, sys
from pipeline.deployment import unfinished
from pipeline.predict import main
plain, written = unfinished.plain, []
def plain_or_die(*rest):
    written.append(rest)
    if len(written) == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(*rest)
unfinished.plain = plain_or_die
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_process_leaves_what_the_next_one_needs(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    left = tmp_path / "out.csv.unfinished"
    asked = [str(model), str(photos), "--output", str(out)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *asked], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    assert len(left.read_bytes().splitlines()) == 1 + 19
    assert main(asked) == 0
    assert main([*asked[:3], str(whole)]) == 0
    assert out.read_bytes() == whole.read_bytes()
