"""Reach the MLflow store of the journal, local or remote, and explain when it cannot be used."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES

from pipeline.base.errors import UserError
from pipeline.settings.folders import runs_dir

_log = logging.getLogger(__name__)

LOCK_SECONDS = 60.0
"""Seconds to wait while other processes lock a sqlite journal."""
_COLLISIONS = ("database is locked", "UNIQUE constraint failed: datasets.", '"dataset_pk"')
"""What sqlite and PostgreSQL say when another process was faster; then nothing was written. MLflow
looks for a dataset before it adds it, and another trial may add the same one in between."""


def tracking_uri() -> str:
    """Return ``MLFLOW_TRACKING_URI``, or the address of the sqlite database under ``runs/``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_uri()


def _own_uri() -> str:
    return f"sqlite:///{(runs_dir() / 'mlflow.db').resolve()}"


def artifacts() -> Path:
    """Return the folder where a sqlite journal keeps the files of its runs."""
    return (runs_dir() / "artifacts").resolve()


def check_store(uri: str) -> None:
    """Check that a sqlite store can be written, by taking its write lock once.

    Any other database is reached once. MLflow itself would try for minutes before it reports a
    fault, such as a wrong password. If the folder ``runs/`` was
    moved or copied, the addresses in its journal are corrected. Raises sqlite3.Error or
    SQLAlchemyError.
    """
    if uri.startswith("sqlite:///"):
        path = uri.removeprefix("sqlite:///").partition("?")[0]
        with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            if uri == _own_uri() and artifacts().is_dir():
                _follow_folder(connection, artifacts())
                connection.commit()
    elif urlsplit(uri).scheme.partition("+")[0] in DATABASE_ENGINES:
        sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool).connect().close()


_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns in which MLflow's database holds absolute addresses of files."""


def _follow_folder(connection: sqlite3.Connection, folder: Path) -> None:
    """Correct the addresses in the journal of a project that was moved or copied.

    MLflow keeps absolute addresses and has no command that changes them. Files that were not moved
    keep their address, such as those of another folder that wrote to this journal.
    """
    here = folder.as_uri()
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
        return
    elsewhere = connection.execute(
        "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location <> ? "
        "AND artifact_location LIKE 'file:///%/runs/artifacts'",
        (here,),
    ).fetchall()
    for (old,) in elsewhere:
        runs = connection.execute(
            "SELECT run_uuid FROM runs WHERE substr(artifact_uri, 1, ?) = ?",
            (len(old) + 1, f"{old}/"),
        )
        if not any((folder / run_id).is_dir() for (run_id,) in runs):
            continue
        for table, column in _ADDRESSES:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (here, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )
        _log.info("the journal came from %s; its runs' files are now those of %s", old, here)


def require_artifacts(location: str) -> None:
    """Raise UserError when the folder of the runs' files is gone: no result can be read."""
    if not location.startswith("file:"):
        return
    folder = Path(url2pathname(urlsplit(location).path))
    if not folder.is_dir():
        raise UserError(
            f"{folder} is not there, but the journal ({tracking_uri()}) keeps the results of its "
            "trials in it. Put it back, or move the journal away as well to start afresh"
        )


FAULTS = (
    MlflowException,
    requests.RequestException,
    sqlite3.Error,
    sqlalchemy.exc.SQLAlchemyError,
    ImportError,  # the driver of a database
    OSError,
)
"""The exceptions raised by a store that cannot be used."""


class JournalLostError(UserError):
    """The journal cannot be read or written; its content is kept."""


class _Client:
    """Wrap an MLflow client so that faults of the store are raised as JournalLostError.

    After the first fault every call fails at once, because MLflow retries for minutes.
    """

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri
        self._lost: JournalLostError | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        @wraps(method)
        def reached(*args: Any, **kwargs: Any) -> Any:
            if self._lost is not None:
                raise self._lost
            patience = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    return method(*args, **kwargs)
                except FAULTS as error:
                    collided = any(words in str(error) for words in _COLLISIONS)
                    if collided and time.monotonic() < patience:
                        continue  # without a pause: SQLite itself has already waited
                    self._lost = lost(self._uri, error)
                    raise self._lost from error

        return reached


def reaching(uri: str) -> MlflowClient:
    """Return a client of the store at ``uri``; its methods may raise JournalLostError."""
    return cast(MlflowClient, _Client(MlflowClient(uri), uri))


def lost(uri: str, error: Exception) -> JournalLostError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    password = urlsplit(uri).password
    if password:
        uri, reason = (text.replace(f":{password}@", ":***@") for text in (uri, reason))
    return JournalLostError(
        f"cannot use the MLflow store {uri}: {reason}. What is finished is kept, and so is the "
        "checkpoint of a trial under way. Check that the server answers and that the disk can be "
        "written, or set MLFLOW_TRACKING_URI; then run the same command: it continues from there"
    )
