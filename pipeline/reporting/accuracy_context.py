"""Word what stands beside a test accuracy: guessing, and how often the split was opened."""

from collections.abc import Iterator, Sequence

from pipeline.base.text import count, printable
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure, show
from pipeline.trials.contract import FinalFile

COLUMNS: list[Figure[Cell]] = [
    (Column("chance", "chance", "share", "Context"), lambda c: c.final.chance if c.final else None),
    (
        Column("majority", "largest class", "share", "Context"),
        lambda c: c.final.majority if c.final else None,
    ),
    (Column("openings", "test opened", "count", "Context"), lambda c: c.opened),
]
CAPTION = (
    " Chance: guessing. Largest class: always answering the largest class of the training images. "
    "Test opened: the number of trainings that saw the test split, under any recipe here."
)


def guessing(final: FinalFile) -> str:
    """Return the sentence on accuracies without training."""
    return (
        f"{show(final.chance, 'share')} % by chance, {show(final.majority, 'share')} % by always "
        f"answering '{printable(final.majority_class)}', the largest class"
    )


def opened(cell: Cell) -> str:
    """Return the sentence on the openings of an evaluated cell's test split."""
    times = count(cell.opened or 0, "training")
    return f"by {times} so far, under any recipe and strategy of this repository"


def lines(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield a line for each evaluated dataset, for a terminal."""
    by_dataset = {cell.name.dataset: (cell, cell.final) for cell in cells if cell.final}
    for dataset, (cell, final) in by_dataset.items():
        times = count(cell.opened or 0, "training")
        yield f"{dataset}: {guessing(final)}; test split opened by {times} so far"
