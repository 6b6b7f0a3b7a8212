"""Count how often the test split of a dataset was opened, by the results of this repository.

Each cell keeps a list of final trials on its data, and decide keeps one of the seeds it adds. DVC
does not delete them before the stages run again, so trials under an earlier recipe stay in them.
Under the paddle protocol every training sees the test list, so every trial of the search is in it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.trials.record_types import Count, Protocol, Record
from pipeline.trials.tables import read_rows, write_rows

OPENINGS = "openings.csv"
_RESULTS = ("results", "*/results", "projects/*/results")
"""Where the pipelines of a repository have their results."""


class Opening(Record):
    """A training whose result on the test split is known."""

    data_digest: str
    key: str
    pipeline: str
    protocol: Protocol
    recipe: str
    model: str
    strategy: str
    seed: Count


def add_openings(root: Path, folder: Path, openings: Iterable[Opening]) -> list[Opening]:
    """Add ``openings`` to the list in ``folder``, and return all openings of their data.

    Openings of the same data in the other pipelines of this repository are added too; ``root`` is
    the folder of this one, whose other cells have lists of their own.
    """
    openings = list(openings)
    digests = {each.data_digest for each in openings}
    added = [*openings, *(row for row in _elsewhere(root) if row.data_digest in digests)]
    rows = {(row.data_digest, row.key): row for row in [*added, *listed(folder)]}
    ordered = sorted(rows.values(), key=lambda row: row.model_dump_json())
    write_rows(folder / OPENINGS, Opening, ordered)
    beside = [row for path in _lists(root / "results") for row in read_rows(path, Opening)]
    return [row for row in beside if row.data_digest in digests]


def listed(folder: Path) -> list[Opening]:
    """Return the openings in the list in ``folder``; none if there is no list."""
    path = folder / OPENINGS
    return read_rows(path, Opening) if path.is_file() else []


def count(openings: Iterable[Opening], data_digest: str) -> int:
    """Count the trainings that opened the test split of the data, each once."""
    return len({each.key for each in openings if each.data_digest == data_digest})


def _elsewhere(root: Path) -> Iterator[Opening]:
    own = (root / "results").resolve()
    for pattern in _RESULTS:
        for results in sorted(Path().glob(pattern)):
            if results.resolve() != own:
                for path in _lists(results):
                    yield from read_rows(path, Opening)


def _lists(results: Path) -> list[Path]:
    return sorted(results.glob(f"*/*/*/{OPENINGS}"))  # decide's are below .decided/
