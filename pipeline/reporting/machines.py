"""Point out figures of one report that were not computed on the same kind of machine."""

from collections.abc import Sequence

from pipeline.base.text import some
from pipeline.reporting.document import Text
from pipeline.reporting.results import Cell
from pipeline.settings.machine import kind


def different_machines(cells: Sequence[Cell]) -> Text | None:
    """Name the cells by kind of processor or accelerator and precision; None if all are alike."""
    cells_of: dict[str, list[str]] = {}
    for cell in cells:
        runs = [*cell.runs, *cell.final_runs]
        for hardware in dict.fromkeys(kind(run.hardware) for run in runs if run.hardware):
            where = f"{hardware} in {cell.best.machine.precision}"
            cells_of.setdefault(where, []).append(str(cell.name))
    if len(cells_of) < 2:
        return None
    kinds = "; ".join(f"{where}: {some(names, 4)}" for where, names in sorted(cells_of.items()))
    return Text(
        f"Not everything was computed on the same kind of machine. {kinds}. Another kind "
        "rounds differently, which can change the class of a few test images; another precision "
        "is another training. A small difference between them says nothing about the settings.",
        "notice",
    )
