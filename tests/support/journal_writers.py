"""Processes that log trials to one journal at the same moment."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support import warm_python

PROCESSES, TRIALS, EPOCHS = 8, 5, 20
_WRITER = """
import sys
from pipeline.trials.journal import KEY_TAG, Journal
writer, trials, epochs = map(int, sys.argv[1:])
journal = Journal.open("together")
print("ready", flush=True)
sys.stdin.readline()
for trial in range(trials):
    key = f"{writer}-{trial}"
    run = journal.start(key, parent_id=None, params={"writer": writer}, tags={KEY_TAG: key})
    for epoch in range(epochs):
        journal.log(run, {"val/top1": epoch / epochs, "train/loss": 1.0}, step=epoch)
    journal.write_json(run, "result.json", {"objective": writer + trial / trials})
    journal.close(run, "FINISHED")
"""
_READER = """
import sys
from pipeline.trials.journal import Journal
processes, trials, epochs = map(int, sys.argv[1:])
journal = Journal.open("together")
runs = journal.search()
assert len(runs) == processes * trials, len(runs)
for writer in range(processes):
    for trial in range(trials):
        found = journal.finished(journal.tries(f"{writer}-{trial}"))
        assert found is not None and found.result == {"objective": writer + trial / trials}
        history = journal.client.get_metric_history(found.run_id, "val/top1")
        assert [point.step for point in history] == list(range(epochs)), history
"""


def write_together(folder: Path, environment: Mapping[str, str]) -> None:
    """Log PROCESSES x TRIALS trials to a journal that is there; raises AssertionError when a
    process failed, or a run, a point of its curve or its result is missing afterwards.
    """
    writers = [
        subprocess.Popen(
            [_python(), "-c", _WRITER, str(writer), str(TRIALS), str(EPOCHS)],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for writer in range(PROCESSES)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n", writer.communicate()[1]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    failures = [error for writer in writers if (error := _failure(writer))]
    assert not failures, "\n".join(failures)
    read_all(folder, environment)


def _python() -> Path:
    return warm_python.folder() / "python"


def _failure(writer: subprocess.Popen[str]) -> str | None:
    _, errors = writer.communicate()
    return errors if writer.returncode else None


def read_all(folder: Path, environment: Mapping[str, str]) -> None:
    """Find every trial that :func:`write_together` logged; raises AssertionError otherwise."""
    arguments = [str(number) for number in (PROCESSES, TRIALS, EPOCHS)]
    done = subprocess.run(
        [_python(), "-c", _READER, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
