"""Count the faults that were injected and those that were survived, and say so at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.forks import Forks
from tests.faults.simulated import SMALL_SPACE, SimulatedProject, undisturbed
from tests.support.stages import environment

_FOLDER = Path(__file__).parent
_INJECTED = pytest.StashKey[list[int]]()
_PASSED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_INJECTED] = [0, 0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.faults)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    return report


class Tally:
    """The faults of one test."""

    def __init__(self) -> None:
        self.count = 0

    def injected(self, count: int = 1) -> None:
        self.count += count


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    faults = Tally()
    yield faults
    total = request.config.stash[_INJECTED]
    total[0] += faults.count
    total[1] += faults.count * request.node.stash.get(_PASSED, False)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    injected, survived = config.stash[_INJECTED]
    if injected:
        terminalreporter.write_line(f"faults: {injected} injected, {survived} survived")


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks"), environment()) as made:
        yield made


@pytest.fixture(scope="session")
def undisturbed_grid(
    tmp_path_factory: pytest.TempPathFactory,
    prepared_digits: Path,
    empty_journal: Path,
    forks: Forks,
) -> dict[str, bytes]:
    """The tables of a simulated grid that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(prepared_digits, folder / "data")
    (folder / "runs").mkdir()
    shutil.copy(empty_journal, folder / "runs" / "mlflow.db")
    return undisturbed(forks, SimulatedProject(folder), "grid")


@pytest.fixture
def simulated(project: object, tmp_path: Path) -> SimulatedProject:
    """In place of the small project: the same folder and data."""
    return SimulatedProject(tmp_path)


@pytest.fixture
def small(simulated: SimulatedProject) -> SimulatedProject:
    """Four points; the faults of ``inside`` happen in the last two."""
    simulated.set(space=SMALL_SPACE)
    return simulated
