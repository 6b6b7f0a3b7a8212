"""The tables of a comparison of searchers, as plain data and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from benchmarks.searchers.comparison import (
    Replays,
    StopRule,
    difference,
    stop_rule,
    trials_to_reach,
)
from pipeline.base.statistics import GapBand
from pipeline.search.grid import FinishedGrid

BUDGETS = (5, 10, 15, 20, 25, 34)
COMPARED = (10, 15, 20)
FIRST_BUDGET = 5

PATIENCES = (4, 6, 8, 10, 12, 14)
MIN_DELTAS = (0.0, 0.1, 0.3)
"""Accuracy points."""

Published = Sequence[tuple[int, float]]
"""Trials of a published search, and the points it lost against grid search."""


def stop_rules(ours: Replays) -> list[StopRule]:
    return [stop_rule(ours.gap, patience, delta) for delta in MIN_DELTAS for patience in PATIENCES]


def summary(results: dict[str, Replays], grid: FinishedGrid) -> dict[str, Any]:
    """Everything the tables show of one grid, in accuracy points, and the curves from 5 trials.

    The first searcher is compared with each of the others.
    """
    first, *others = results
    ours = results[first]
    budgets = [k for k in COMPARED if k <= ours.gap.shape[1]]
    return {
        "points": grid.size,
        "best": float(grid.objective.max()),
        "searchers": {
            name: {
                "gap": _curve(result.gap_band()),
                "test_loss": None if (band := result.test_band()) is None else _curve(band),
                "trials_to_1_point": trials_to_reach(result.gap, 1.0),
            }
            for name, result in results.items()
        },
        "compared": first,
        "difference": {
            name: {
                str(k): {"mean": d.mean, "low": d.low, "high": d.high}
                for k in budgets
                for d in [difference(ours, results[name], k)]
            }
            for name in others
        },
        "stop_rules": [vars(rule) for rule in stop_rules(ours)],
    }


def _curve(band: GapBand) -> dict[str, list[float]]:
    start = FIRST_BUDGET - 1
    return {
        "trials": list(range(FIRST_BUDGET, len(band.mean) + 1)),
        "mean": band.mean[start:].tolist(),
        "low": band.low[start:].tolist(),
        "high": band.high[start:].tolist(),
    }


def markdown(grids: dict[str, dict[str, Any]], seeds: int, published: Published) -> str:
    """The printed page: one section per grid."""
    trials, gap = (sum(column) / len(published) for column in zip(*published, strict=True))
    parts = [
        "# Searches replayed on finished grids",
        f"{seeds} searches per searcher and grid. Accuracy points, mean ± half of the 95 % "
        "interval. The gap is the grid's best objective minus the best found. Published: "
        f"a mean gap of {gap:.3f} points at 13 to 25 trials ({trials:.1f} on average).",
    ]
    for name, found in grids.items():
        parts.append(f"## {name}\n\n{found['points']} points, best objective {found['best']:.4f}.")
        parts.append(_curves(found, "gap", "Gap after so many trials"))
        if found["searchers"][found["compared"]]["test_loss"]:
            text = "Loss on the test column of the chosen point against the grid's own choice"
            parts.append(_curves(found, "test_loss", text))
        if found["difference"]:
            parts.append(_differences(found))
        parts.append(_stop_rules(found))
    return "\n\n".join(parts)


def _curves(found: dict[str, Any], key: str, title: str) -> str:
    curves = {name: searcher[key] for name, searcher in found["searchers"].items()}
    last = next(iter(curves.values()))["trials"][-1]
    budgets = [k for k in BUDGETS if k <= last]
    with_end = key == "gap"
    rows = []
    for name, curve in curves.items():
        row = [name]
        for i in (k - FIRST_BUDGET for k in budgets):
            row.append(f"{curve['mean'][i]:.2f} ± {(curve['high'][i] - curve['low'][i]) / 2:.2f}")
        reached = found["searchers"][name]["trials_to_1_point"]
        rows.append([*row, reached or f"over {last}"] if with_end else row)
    return _table([title, *budgets, *(["trials to 1.0"] if with_end else [])], rows)


def _differences(found: dict[str, Any]) -> str:
    budgets = list(next(iter(found["difference"].values())))
    rows = [
        [name]
        + [f"{d['mean']:+.2f} [{d['low']:+.2f}, {d['high']:+.2f}]" for d in differences.values()]
        for name, differences in found["difference"].items()
    ]
    return _table([f"{found['compared']} minus", *budgets], rows)


def _stop_rules(found: dict[str, Any]) -> str:
    headers = [f"Stop rule of {found['compared']}: patience", "min_delta (points)"]
    headers += ["trials, mean", "10 to 90 % of searches", "gap"]
    rows = [
        (
            r["patience"],
            f"{r['min_delta']:.1f}",
            f"{r['trials']:.1f}",
            f"{r['few']:.0f} to {r['many']:.0f}",
            f"{r['gap']:.2f}",
        )
        for r in found["stop_rules"]
    ]
    return _table(headers, rows)


def _table(headers: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    return tabulate(rows, list(map(str, headers)), "github", disable_numparse=True)
