"""The tables of a comparison of searchers, as plain data and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tabulate import tabulate

from pipeline.base.statistics import GapBand, mean_gap
from pipeline.search.grid import FinishedGrid
from searchers.comparison import (
    Replays,
    StopRule,
    Table,
    differences,
    share,
    stop_rule,
    trials_to_reach,
)
from searchers.intervals import BUDGETS as ON_INTERVALS
from searchers.variants import luck, smooth

BUDGETS = (5, 10, 15, 20)
FIRST_BUDGET = 5
CLAIMED = 0.4
"""Points that the published searches lose at most."""

PATIENCES = (4, 6, 8, 10, 12, 14)
MIN_DELTAS = (0.0, 0.1, 0.3)
"""Accuracy points."""

Published = Sequence[tuple[int, float]]
"""Trials of a published search, and the points it lost against grid search."""


def stop_rules(gap: Table, regret: Table) -> list[StopRule]:
    return [
        stop_rule(gap, regret, patience, delta) for delta in MIN_DELTAS for patience in PATIENCES
    ]


@dataclass(frozen=True)
class Comparison:
    """The searches on one grid; every table is by searcher and then as in :class:`Replays`.

    Args:
        recorded: on the grid as it is.
        variants: on grids that it could have been.
        regret: of the point chosen on a variant, in its accuracies without noise.
        oracle: gap and regret on variants of a search that makes the walk of the first searcher and
            then tries the points in the order of their accuracies without noise.
        starts: gaps on variants by name and start (a learning rate).
        long: gaps of longer searches of the first searcher on variants, for the stop rule.
        long_regret: their regret.
    """

    recorded: Mapping[str, Replays]
    variants: Mapping[str, Replays]
    regret: Mapping[str, Table]
    oracle: tuple[Table, Table]
    starts: Mapping[str, Mapping[str, Table]]
    long: Table
    long_regret: Table


def summary(made: Comparison, grid: FinishedGrid) -> dict[str, Any]:
    """Compute what the tables show of one grid, in accuracy points, and the curves from 5 trials.

    The first searcher is compared with each of the others.
    """
    first = next(iter(made.variants))
    noise = 100 * smooth(grid).near_top
    row = grid.size // len(grid.values["lr"])
    return {
        "points": grid.size,
        "best": float(grid.objective.max()),
        "noise": noise,
        "luck": {str(k): noise * luck(k, row) for k in BUDGETS if k <= row},
        "searchers": {
            name: {
                "searches": len(replays.gap),
                "gap": _curve(replays.gap_band()),
                "regret": _curve(mean_gap(made.regret[name])),
                "within": [float((replays.gap[:, k - 1] <= CLAIMED).mean()) for k in BUDGETS],
                "trials_to_1_point": trials_to_reach(replays.gap, 1.0),
                "recorded_gap": _curve(made.recorded[name].gap_band()),
                "test_loss": None
                if (band := made.recorded[name].test_band()) is None
                else _curve(band),
            }
            for name, replays in made.variants.items()
        },
        "compared": first,
        "difference": differences({n: each.gap for n, each in made.variants.items()}, BUDGETS),
        "left": _left(made),
        "starts": {
            name: {start: gap.mean(axis=0).tolist() for start, gap in starts.items()}
            for name, starts in made.starts.items()
        },
        "stop_rules": [vars(rule) for rule in stop_rules(made.long, made.long_regret)],
    }


def _left(made: Comparison) -> dict[str, dict[str, dict[str, Any]]]:
    """Return which share of gap and regret is left of those without the walk, per budget."""
    first, base = next(iter(made.variants)), "without walk"
    if first == base or base not in made.variants:
        return {}
    gap, regret = made.variants[base].gap, made.regret[base]
    pairs = {
        f"gap, {first}": (made.variants[first].gap, gap),
        "gap, oracle": (made.oracle[0], gap),
        f"regret, {first}": (made.regret[first], regret),
        "regret, oracle": (made.oracle[1], regret),
    }
    if {first, base} <= set(made.starts):
        ours, peers = (np.vstack(list(made.starts[name].values())) for name in (first, base))
        pairs[f"gap from all starts, {first}"] = ours, peers
    budgets = [k for k in BUDGETS if all(peer[:, k - 1].any() for _, peer in pairs.values())]
    return {
        name: {str(k): asdict(share(*tables, k)) for k in budgets} for name, tables in pairs.items()
    }


def _curve(band: GapBand) -> dict[str, list[float]]:
    start = FIRST_BUDGET - 1
    return {
        "trials": list(range(FIRST_BUDGET, len(band.mean) + 1)),
        "mean": band.mean[start:].tolist(),
        "low": band.low[start:].tolist(),
        "high": band.high[start:].tolist(),
    }


def markdown(
    grids: dict[str, dict[str, Any]],
    continuous: list[dict[str, Any]],
    speed: list[dict[str, Any]],
    few: int,
    published: Published,
) -> str:
    """Return the printed page: one section per grid, then intervals and speed."""
    trials, gap = (sum(column) / len(published) for column in zip(*published, strict=True))
    parts = [
        "# Searches replayed on finished grids",
        "Accuracy points, mean ± half of the 95 % interval. The gap is the best objective of the "
        "grid minus the best of the search.\n\n"
        "A *variant* is a smooth fit to the grid with new noise and with the learning rates moved "
        "by 0, 1 or 2 steps either way: what the grid could have been. The first table of a grid "
        f"says how many were searched. Each searcher made {few} searches on the grid as recorded, "
        "from each start on variants with unmoved learning rates, and on functions of intervals. "
        "*Regret* is what the chosen point loses in the fit, where there is no luck. The *oracle* "
        "makes the sweeper's walk and then tries the points in the order of the fit: only luck is "
        "hidden from it. Random search starts where the sweeper starts: at the fixed scheme. Two "
        "searchers know the other grids: the portfolio tries their best points in order; the "
        "sweeper with a warm start tries the first, then walks.",
        f"Published: a mean gap of {gap:.3f} points at 13 to 25 trials ({trials:.1f} on average), "
        f"at most {CLAIMED}. Searches of validation accuracies cannot confirm or refute that: the "
        "gap is one to the luckiest of all trials, and the tables say what luck is worth.",
    ]
    for name, grid in grids.items():
        lucky = ", ".join(f"{v:.2f} after {k}" for k, v in grid["luck"].items())
        parts.append(
            f"## {name}\n\n{grid['points']} points, best objective {grid['best']:.4f}. One trial "
            f"near the top has a standard deviation of {grid['noise']:.1f} points. A search that "
            f"draws among the points of the best learning rate only, all equally good, would still "
            f"have a gap of {lucky} trials."
        )
        parts.append(_curves(grid, "gap", "Gap on variants after so many trials"))
        parts.append(_within(grid))
        parts.append(_curves(grid, "regret", "Regret on variants"))
        if grid["left"]:
            title = "Share left of the figure without walk, %"
            parts.append(_intervals(title, grid["left"], ".0f", 100))
        if grid["difference"]:
            parts.append(_differences(grid, 2))
        if grid["starts"]:
            parts.append(_starts(grid))
        parts.append(_curves(grid, "recorded_gap", "Gap on the grid as recorded"))
        if grid["searchers"][grid["compared"]]["test_loss"]:
            text = "Loss on the test column of the chosen point against the grid's own choice"
            parts.append(_curves(grid, "test_loss", text))
        parts.append(_stop_rules(grid))
    if continuous:
        parts.append(_continuous(continuous))
    if speed:
        rows = [(s["space"], s["known"], f"{s['seconds']:.2f}", f"{s['mb']:.0f}") for s in speed]
        head = ["one tell and ask: space", "values known", "processor seconds", "memory, MB more"]
        parts.append("## Speed\n\n" + _table(head, rows))
    return "\n\n".join(parts)


def _within(grid: dict[str, Any]) -> str:
    rows = [
        [name, *(f"{100 * part:.0f} %" for part in each["within"])]
        for name, each in grid["searchers"].items()
    ]
    return _table([f"Share of searches within {CLAIMED} points of the best", *BUDGETS], rows)


def _starts(grid: dict[str, Any]) -> str:
    starts = list(next(iter(grid["starts"].values())))
    rows = [
        [f"{name}, {budget} trials", *(f"{gap:.2f}" for gap in (*row, np.mean(row)))]
        for name, gaps in grid["starts"].items()
        for budget in BUDGETS
        for row in [[gaps[start][budget - 1] for start in starts]]
    ]
    return _table(["Gap on variants by the start: lr", *starts, "mean"], rows)


def _continuous(tasks: list[dict[str, Any]]) -> str:
    parts = [
        "## Intervals\n\nMedian (mean) of the distance to the least value, without noise, of the "
        "best observed point; then mean differences, paired by seed, with 95 % intervals. The "
        "SVM's least value is that of all trials of all searchers."
    ]
    for task in tasks:
        budgets = [k for k in ON_INTERVALS if k <= task["trials"]]
        rows = [
            [name, *(f"{each['median'][k - 1]:.4f} ({each['mean'][k - 1]:.4f})" for k in budgets)]
            for name, each in task["searchers"].items()
        ]
        parts.append(_table([f"{task['name']}, {task['seeds']} searches", *budgets], rows))
        if task["difference"]:
            parts.append(_differences(task, 4))
    return "\n\n".join(parts)


def _curves(grid: dict[str, Any], key: str, title: str) -> str:
    curves = {name: searcher[key] for name, searcher in grid["searchers"].items()}
    last = next(iter(curves.values()))["trials"][-1]
    budgets = [k for k in BUDGETS if k <= last]
    first = key == "gap"
    rows = []
    for name, curve in curves.items():
        row = [name, *([grid["searchers"][name]["searches"]] if first else [])]
        for i in (k - FIRST_BUDGET for k in budgets):
            row.append(f"{curve['mean'][i]:.2f} ± {(curve['high'][i] - curve['low'][i]) / 2:.2f}")
        reached = grid["searchers"][name]["trials_to_1_point"]
        rows.append([*row, reached or f"over {last}"] if first else row)
    if first:
        return _table([title, "searches", *budgets, "trials to 1.0"], rows)
    return _table([title, *budgets], rows)


def _differences(made: dict[str, Any], digits: int) -> str:
    return _intervals(f"{made['compared']} minus", made["difference"], f"+.{digits}f")


def _intervals(title: str, rows: dict[str, Any], form: str, unit: float = 1.0) -> str:
    cells = [
        [
            name,
            *(
                f"{unit * d['mean']:{form}} [{unit * d['low']:{form}}, {unit * d['high']:{form}}]"
                for d in row.values()
            ),
        ]
        for name, row in rows.items()
    ]
    return _table([title, *next(iter(rows.values()))], cells)


def _stop_rules(grid: dict[str, Any]) -> str:
    headers = [f"Stop rule of {grid['compared']}: patience", "min_delta (points)"]
    headers += ["trials, mean", "10 to 90 % of searches", "gap", "regret"]
    rows = [
        (
            r["patience"],
            f"{r['min_delta']:.1f}",
            f"{r['trials']:.1f}",
            f"{r['few']:.0f} to {r['many']:.0f}",
            f"{r['gap']:.2f}",
            f"{r['regret']:.2f}",
        )
        for r in grid["stop_rules"]
    ]
    return _table(headers, rows)


def _table(headers: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    return tabulate(rows, list(map(str, headers)), "github", disable_numparse=True)
