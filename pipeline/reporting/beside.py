"""Word what stands beside a test accuracy: guessing, and how often the split was opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pipeline.base.text import count, printable
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Value, show

Figure = tuple[Column, Callable[[CellSummary], Value]]
"""A column, and the function that gives its value for a cell."""

COLUMNS: list[Figure] = [
    (Column("chance", "chance", "share", "Beside"), lambda s: s.chance),
    (Column("majority", "largest class", "share", "Beside"), lambda s: s.majority),
    (Column("openings", "test opened", "count", "Beside"), lambda s: s.openings),
]
CAPTION = (
    " Chance: guessing. Largest class: always answering the largest class of the training images. "
    "Test opened: by so many trainings on the same data, under any recipe of this repository."
)


def guessing(summary: CellSummary) -> str | None:
    """Return the sentence on accuracies without learning; None before a cell is evaluated."""
    if summary.chance is None or summary.majority is None:
        return None
    largest = f"answering {printable(summary.majority_class)}, the largest class"
    return (
        f"{show(summary.chance, 'share')} % by chance, {show(summary.majority, 'share')} % by "
        f"always {largest}"
    )


def opened(summary: CellSummary) -> str | None:
    """Return the sentence on the openings of the test split; None before a cell is evaluated."""
    if summary.openings is None:
        return None
    return (
        f"by {count(summary.openings, 'training')} so far, under any recipe and strategy of this "
        "repository"
    )


def lines(summaries: Sequence[CellSummary]) -> Iterator[str]:
    """Yield a line for each evaluated dataset, for a terminal."""
    by_dataset = {s.name.dataset: s for s in summaries if s.openings is not None}
    for dataset, summary in by_dataset.items():
        yield f"{dataset}: {guessing(summary)}; its test split was opened {opened(summary)}"
