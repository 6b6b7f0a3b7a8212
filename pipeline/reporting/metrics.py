"""The figures `dvc metrics show` and `dvc metrics diff` compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.reporting.places import wording
from pipeline.reporting.summary import CellSummary


def metrics(summaries: Sequence[CellSummary]) -> dict[str, Any]:
    """Nested by dataset, model and strategy; fractions and device-hours, nothing that is absent."""
    nested: dict[str, Any] = {}
    for summary in summaries:
        name = summary.name
        chosen_by = f"{wording(summary.protocol).key}_top1"
        figures = {chosen_by: summary.objective, "trials": summary.trials}
        if summary.top1 is not None and summary.mean_class is not None:
            figures["test_top1"] = summary.top1.mean
            figures["test_mean_class"] = summary.mean_class.mean
        nested.setdefault(name.dataset, {}).setdefault(name.model, {})[name.strategy] = figures
    return nested
