"""Team mode: the journal on a real PostgreSQL, written by many processes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.trials.journal import Journal
from tests.engines.listening import hosts
from tests.engines.ports import kept_pair
from tests.engines.sweeps import BATCHES, tables, tune
from tests.engines.team_server import serving
from tests.support.journal_writers import read_all, write_together
from tests.support.small_project import SmallProject

pytest.importorskip("psycopg2", reason="psycopg2 is not installed: vdtransfer[team]")
pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("initdb") is None
        and not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        reason="PostgreSQL is not on this machine (Debian: postgresql)",
    ),
]


@pytest.fixture
def port() -> Iterator[int]:
    """The first of two: PostgreSQL takes the next one."""
    with kept_pair() as first:
        yield first


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside pytest's own folders, which the user who runs PostgreSQL may not enter."""
    with tempfile.TemporaryDirectory(prefix="team-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_eight_processes_and_a_parallel_sweep_share_the_journal(
    project: SmallProject, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = ("strategy=grid", BATCHES)
    project.tune(*grid, "project=serial")
    expected = tables(project, "grid")
    environment = project.environment()
    with serving(folder, port, environment) as address:
        journal = {"MLFLOW_TRACKING_URI": address}
        write_together(project.folder, environment | journal)
        processes = {"VDTRANSFER_LAUNCHER": "processes", "VDTRANSFER_PROCESSES": "2"}
        tune(project, journal | processes, *grid)
        assert tables(project, "grid") == expected
        assert hosts(port) == hosts(port + 1) == {"127.0.0.1"}
        wrong = f"postgresql+psycopg2://vdtransfer:s3cret@127.0.0.1:{port + 1}/mlflow"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", wrong)
        with pytest.raises(UserError, match="password authentication failed") as refused:
            Journal.open("small")
        assert "s3cret" not in str(refused.value)
        monkeypatch.undo()
    assert project.trained() == []  # nothing went to the project's own database
    with serving(folder, port, environment) as address:  # and nothing is lost by a restart
        journal = {"MLFLOW_TRACKING_URI": address}
        read_all(project.folder, environment | journal)
        again = tune(project, journal, *grid)
        assert again.stdout.count("  replayed  ") == 4
        assert tables(project, "grid") == expected
