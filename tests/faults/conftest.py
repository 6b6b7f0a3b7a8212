"""Count the faults that were injected and those that were survived, and say so at the end."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.forks import Forks
from tests.faults.simulated import SMALL_SPACE, SimulatedProject, undisturbed
from tests.support.stages import environment

_FOLDER = Path(__file__).parent
_INJECTED = "faults injected"
"""The property of a test's report that counts its faults."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.faults)


class Tally:
    """The faults of one test."""

    def __init__(self) -> None:
        self.count = 0

    def injected(self, count: int = 1) -> None:
        self.count += count


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    faults = Tally()
    yield faults
    record_property(_INJECTED, faults.count)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Read the reports alone: the tests may have run in other processes."""
    failed = {report.nodeid for report in terminalreporter.stats.get("failed", [])}
    injected = survived = 0
    for reports in terminalreporter.stats.values():
        for report in reports:
            properties = dict(getattr(report, "user_properties", ()))
            if getattr(report, "when", "") == "teardown" and _INJECTED in properties:
                injected += properties[_INJECTED]
                survived += properties[_INJECTED] * (report.nodeid not in failed)
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
    simulated.set(space=SMALL_SPACE, l2_decay=0.001)
    return simulated
