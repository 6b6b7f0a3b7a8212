"""MLflow's client for a journal that may go away: waits for a locked database, then says so."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.config import UserError
from pipeline.store import LOCK_SECONDS

FAULTS = (MlflowException, requests.RequestException, sqlite3.Error, OSError)
"""What a store that cannot be used raises."""


class JournalLostError(UserError):
    """The journal cannot be read or written; what it holds already is kept."""


class _Client:
    """Every method of the client, with faults of the store as JournalLostError.

    After the first, every call fails at once: MLflow tries for minutes before it gives up.
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
                    if "database is locked" in str(error) and time.monotonic() < patience:
                        continue  # nothing was written; SQLite itself waited some time already
                    self._lost = lost(self._uri, error)
                    raise self._lost from error

        return reached


def reaching(uri: str) -> MlflowClient:
    """A client of the store at ``uri`` whose every method may raise JournalLostError."""
    return cast(MlflowClient, _Client(MlflowClient(uri), uri))


def lost(uri: str, error: Exception) -> JournalLostError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return JournalLostError(
        f"cannot use the MLflow store {uri}: {reason}. What is finished is kept, and so is the "
        "checkpoint of a trial under way. Check that the server answers and that the disk can be "
        "written, or set MLFLOW_TRACKING_URI; then run the same command: it goes on from there"
    )
