"""Where the journal is stored, and whether it can be used. No mlflow in here."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from pipeline.layout import runs_dir

LOCK_SECONDS = 60.0
"""How long a sqlite journal may stay locked by other processes."""


def tracking_uri() -> str:
    """``MLFLOW_TRACKING_URI``, or a sqlite database under ``runs/``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or (
        f"sqlite:///{(runs_dir() / 'mlflow.db').resolve()}"
    )


def check_store(uri: str) -> None:
    """Take the write lock once. MLflow itself tries for 100 seconds before it tells of a fault.

    Raises sqlite3.Error.
    """
    if uri.startswith("sqlite:///"):
        path = uri.removeprefix("sqlite:///").partition("?")[0]
        with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
