"""Settings and fixtures all tests share."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.support.small_project import SmallProject

# A busy machine is no failure, and the same code has the same examples in every run.
settings.register_profile(
    "project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def default_signals() -> None:
    """Forget a handler that an earlier test's command has set: Lightning would call it, too.

    And take Ctrl-C again: a shell lets what it starts in the background ignore it.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def prepared_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``data`` folder with 60 train, 40 validation and 359 test images of digits."""
    from pipeline import prepare
    from tests.support.small_project import SmallProject

    folder = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare.run(SmallProject(folder).compose())
    return folder / "data"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small packaged model with random weights, not to be changed."""
    from pipeline.deployment.package import package
    from tests.support.packaged_model import description, measured, save_weights

    base = tmp_path_factory.mktemp("packaged")
    weights = save_weights(base / "weights.safetensors")
    package(description(), weights, measured(weights), base / "model")
    return base / "model"


@pytest.fixture(scope="session")
def empty_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database after its migrations, which take seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("journal") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def port() -> Iterator[int]:
    """A port on loopback that is kept for a server of the test."""
    from tests.engines.ports import kept_ports

    with kept_ports(1) as (kept,):
        yield kept


@pytest.fixture
def no_optional_readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment without the extras that read HEIC and JPEG XL, whatever is installed."""
    from pipeline.datasets import formats

    def forget() -> None:
        formats.formats.cache_clear()
        formats._suffixes.cache_clear()

    monkeypatch.setattr(formats, "_registered", lambda _: False)
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.fixture
def project(
    tmp_path: Path,
    prepared_digits: Path,
    empty_journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> SmallProject:
    """A small project in the working directory, with a journal of its own."""
    from pipeline.trials import resources, sweep
    from tests.support.small_project import SmallProject

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(sweep.PARENT, "")
    resources._manifest.cache_clear()  # it goes by a path relative to the working directory
    shutil.copytree(prepared_digits, tmp_path / "data", copy_function=_link)
    (tmp_path / "runs").mkdir()
    shutil.copy(empty_journal, tmp_path / "runs" / "mlflow.db")
    return SmallProject(tmp_path)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
