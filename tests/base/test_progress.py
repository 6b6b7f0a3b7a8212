"""Progress without a terminal: whole lines, and none for what is done at once."""

import pytest

from pipeline.base import progress


def test_what_is_done_at_once_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.counted(range(3), "count", 3)) == [0, 1, 2]
    with progress.images_bar("decode", 2) as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""


def test_no_line_is_printed_before_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.images_bar("decode", 2) as bar:
        assert bar.maxinterval == bar.mininterval == bar.delay == progress._SECONDS


def test_a_longer_task_prints_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    with progress.bytes_bar("fetch", 4096) as bar:
        bar.update(1024)
        bar.update(3072)
    printed = capsys.readouterr().err
    first, *_, last = printed.splitlines()
    assert first.startswith("fetch:   0%")
    assert last.startswith("fetch: 100%")
    assert "\r" not in printed
