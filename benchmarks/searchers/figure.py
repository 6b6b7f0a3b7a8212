"""The figure of a comparison of searchers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.searchers.comparison import Replays
from benchmarks.searchers.summary import FIRST_BUDGET, MIN_DELTAS, Published, stop_rules
from pipeline.base.errors import UserError
from pipeline.base.statistics import GapBand

COLOURS = ("#0072B2", "#D55E00", "#777777", "#009E73", "#CC79A7")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "x", "^", "D")


def draw(results: dict[str, dict[str, Replays]], published: Published, path: Path) -> None:
    """One row per grid: the gap, the loss on test and the stop rule.

    Raises:
        UserError: the file's ending is none of svg, png and pdf.
    """
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise UserError(f"{path}: a figure is an svg, png or pdf")
    with rc_context(
        {
            "svg.hashsalt": "search",
            "font.size": 9,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    ):
        figure = Figure(figsize=(13, 3.8 * len(results)), layout="constrained")
        rows = figure.subplots(len(results), 3, squeeze=False)
        for (name, searchers), (gap, test, stop) in zip(results.items(), rows, strict=True):
            _gaps(gap, searchers, published)
            gap.set_title(f"{name}: gap to the grid's best")
            _test(test, searchers)
            test.set_title("loss on test against the grid's choice")
            _stops(stop, next(iter(searchers.values())), published)
            stop.set_title("stop rule: patience beside each point")
        rows[0][0].legend(fontsize=8)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _curve(axes: Axes, name: str, band: GapBand, number: int) -> None:
    start = FIRST_BUDGET - 1
    trials = range(FIRST_BUDGET, len(band.mean) + 1)
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    axes.plot(trials, band.mean[start:], label=name, color=colour, marker=marker, ms=3, lw=1.2)
    axes.fill_between(trials, band.low[start:], band.high[start:], color=colour, alpha=0.15, lw=0)


def _published(axes: Axes, published: Published) -> None:
    trials, gap = zip(*published, strict=True)
    axes.scatter(trials, gap, marker="*", s=45, color="black", zorder=3, label="published, 8 sets")


def _gaps(axes: Axes, searchers: dict[str, Replays], published: Published) -> None:
    for number, (name, replays) in enumerate(searchers.items()):
        _curve(axes, name, replays.gap_band(), number)
    _published(axes, published)
    # a wide band may leave the frame
    highest = max(float(np.max(np.asarray(line.get_ydata()))) for line in axes.lines)
    axes.set(xlabel="trials", ylabel="accuracy points", ylim=(0, 1.1 * highest or None))


def _test(axes: Axes, searchers: dict[str, Replays]) -> None:
    for number, (name, replays) in enumerate(searchers.items()):
        if (band := replays.test_band()) is not None:
            _curve(axes, name, band, number)
    if not axes.lines:
        axes.text(0.5, 0.5, "no test column", ha="center", transform=axes.transAxes)
    axes.set(xlabel="trials", ylabel="accuracy points")


def _stops(axes: Axes, ours: Replays, published: Published) -> None:
    rules = stop_rules(ours)
    for number, delta in enumerate(MIN_DELTAS):
        line = [rule for rule in rules if rule.min_delta == delta]
        axes.plot(
            [rule.trials for rule in line],
            [rule.gap for rule in line],
            color=COLOURS[number],
            marker=MARKERS[number],
            ms=3,
            label=f"min_delta {delta} points",
        )
        for rule in line:
            axes.annotate(str(rule.patience), (rule.trials, rule.gap), fontsize=7)
    _published(axes, published)
    axes.set(xlabel="mean number of trials", ylabel="mean gap, points", ylim=(0, None))
    axes.legend(fontsize=8)
