"""Make the figures that `dvc metrics` and `dvc exp` compare between commits."""

from collections.abc import Sequence
from typing import Any

from pipeline.reporting.cell_groups import wording
from pipeline.reporting.results import Cell


def metrics(cells: Sequence[Cell], *, several_models: bool) -> dict[str, Any]:
    """Return the metrics of each cell, nested by dataset and strategy, as fractions and counts.

    With several models, the model is between the two. It is left out otherwise, because DVC cuts
    long names. Figures that do not exist yet are left out.
    """
    nested: dict[str, Any] = {}
    for cell in cells:
        name, final = cell.name, cell.final
        figures: dict[str, float | None] = {
            wording(cell.best.choice).column: cell.best.objective,
            "trials": len(cell.trials),
        }
        top1, mean_class = cell.top1, cell.mean("mean_class")
        if final and top1 and mean_class:
            figures |= {"test_top1": top1.mean, "test_mean_class": mean_class.mean}
            figures |= {"chance": final.chance, "majority": final.majority}
            figures["test_openings"] = cell.opened
        strategies = nested.setdefault(name.dataset, {})
        if several_models:
            strategies = strategies.setdefault(name.model, {})
        strategies[name.strategy] = figures
    return nested
