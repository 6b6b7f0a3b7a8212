"""Draw a chart as SVG with matplotlib, for Markdown and for print."""

from __future__ import annotations

import io
import warnings
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from pipeline.reporting.charts import (
    OKABE_ITO,
    Axis,
    BarChart,
    Chart,
    HeatMap,
    LineChart,
    Panel,
    Series,
)

MARKS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^"}
FIGURES_UP_TO = 100
"""A panel with more cells than this is drawn without its figures."""

STYLE: Any = {
    "svg.hashsalt": "vdtransfer",  # the same numbers give the same bytes
    "svg.fonttype": "none",  # text stays text: the reader's fonts know every script
    "text.parse_math": False,  # a class may be called "$"
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def to_svg(chart: Chart) -> bytes:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        match chart:
            case LineChart():
                figure = _lines(chart)
            case BarChart():
                figure = _bars(chart)
            case HeatMap():
                figure = _heat(chart)
        out = io.BytesIO()
        # Half the time of savefig, which draws twice: once to lay out, which drawing does anyway.
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    return out.getvalue()


def _factor(axis: Axis) -> float:
    return 100.0 if axis.percent else 1.0


def _lines(chart: LineChart) -> Figure:
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for series in chart.series:
        _one_line(axes, series, _factor(chart.x), _factor(chart.y))
    if chart.x.whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title=chart.title, xlabel=chart.x.title, ylabel=chart.y.title)
    if len(chart.series) > 1:
        axes.legend()
    return figure


def _one_line(axes: Axes, series: Series, fx: float, fy: float) -> None:
    x, y = np.array(series.x) * fx, np.array(series.y) * fy
    colour = OKABE_ITO[series.colour]
    low = None if series.low is None else np.array(series.low) * fy
    high = None if series.high is None else np.array(series.high) * fy
    if series.style == "points":
        bars = None if low is None or high is None else np.vstack([y - low, high - y])
        axes.errorbar(
            x, y, yerr=bars, fmt=MARKS[series.mark], color=colour, label=series.name, ms=5
        )
        return
    step = "steps-post" if series.style == "step" else "default"
    dash = "--" if series.dashed else "-"
    axes.plot(x, y, dash, color=colour, label=series.name, drawstyle=step)
    if low is not None and high is not None:
        axes.fill_between(
            x, low, high, color=colour, alpha=0.15, lw=0, step="post" if step[0] == "s" else None
        )


def _bars(chart: BarChart) -> Figure:
    count, each = len(chart.categories), len(chart.series)
    height = 1.1 + 0.26 * count * max(1.0, 0.75 * each)
    figure = Figure(figsize=(7, height), layout="constrained")
    axes = figure.subplots()
    factor = _factor(chart.x)
    thickness = 0.8 / each
    for i, series in enumerate(chart.series):
        places = [k for k, value in enumerate(series.values) if value is not None]
        values = np.array([series.values[k] for k in places], dtype=float) * factor
        y = np.array(places, dtype=float) + (i - (each - 1) / 2) * thickness
        errors = _reach(series.low, series.high, places, values, factor)
        colour = OKABE_ITO[series.colour]
        if chart.dots:
            axes.errorbar(
                values, y, xerr=errors, fmt=MARKS[series.mark], color=colour, label=series.name
            )
        else:
            axes.barh(y, values, thickness * 0.9, color=colour, label=series.name, xerr=errors)
    axes.set_yticks(range(count), chart.categories)
    axes.set_ylim(count - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set(title=chart.title, xlabel=chart.x.title)
    if each > 1:
        figure.legend(loc="outside right center")
    return figure


def _reach(
    low: list[float | None] | None,
    high: list[float | None] | None,
    places: list[int],
    values: np.ndarray,
    factor: float,
) -> np.ndarray | None:
    """Distances to the bounds, shape (2, places); an absent bound is no distance."""
    if low is None or high is None:
        return None

    def bound(bounds: list[float | None]) -> np.ndarray:
        kept = [bounds[k] for k in places]
        return np.array([np.nan if b is None else b * factor for b in kept])

    return np.nan_to_num(np.vstack([values - bound(low), bound(high) - values]))


def _heat(chart: HeatMap) -> Figure:
    rows, columns = len(chart.y_labels), len(chart.x_labels)
    count = len(chart.panels)
    across = 1 if count == 1 else 2
    down = -(-count // across)
    side = 0.52 if rows * columns <= FIGURES_UP_TO else 0.14
    width = min(9.0, max(5.5, across * columns * side + 1.5))
    height = min(9.0, max(1.4 * down + 0.8, down * (rows * side + 0.9)))
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    shown = [v for panel in chart.panels for row in panel.values for v in row if v is not None]
    limits = (min(shown, default=0.0), max(shown, default=1.0))
    image = None
    for axes, panel in zip(grid.flat, chart.panels, strict=False):
        image = _panel(axes, panel, chart, limits)
    for axes in list(grid.flat)[count:]:
        axes.set_visible(False)
    figure.suptitle(chart.title)
    figure.supxlabel(chart.x_title)
    figure.supylabel(chart.y_title)
    if image is not None:
        figure.colorbar(image, ax=grid, shrink=0.8)
    return figure


def _panel(axes: Axes, panel: Panel, chart: HeatMap, limits: tuple[float, float]) -> Any:
    factor = 100.0 if chart.scale == "share" else 1.0
    values = np.array([[np.nan if v is None else v for v in row] for row in panel.values]) * factor
    palette = "cividis" if chart.scale == "share" else "Blues"
    image = axes.imshow(
        values, cmap=palette, aspect="auto", vmin=limits[0] * factor, vmax=limits[1] * factor
    )
    axes.grid(visible=False)
    axes.set_title(panel.title, fontsize=9)
    if len(chart.x_labels) <= 30:
        axes.set_xticks(range(len(chart.x_labels)), chart.x_labels, rotation=45, ha="right")
    if len(chart.y_labels) <= 30:
        axes.set_yticks(range(len(chart.y_labels)), chart.y_labels)
    if values.size <= FIGURES_UP_TO:
        _figures(axes, values, chart.scale, limits, factor)
    if panel.marked is not None:
        row, column = panel.marked
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, lw=2.5, ec=OKABE_ITO["orange"])
        )
    return image


def _figures(
    axes: Axes, values: np.ndarray, scale: str, limits: tuple[float, float], factor: float
) -> None:
    middle = (limits[0] + limits[1]) / 2 * factor
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value) or (scale == "count" and value == 0):
            continue
        light = (value < middle) == (scale == "share")  # cividis starts dark, Blues ends dark
        axes.text(
            column,
            row,
            f"{value:.1f}" if scale == "share" else f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=7,
            color="white" if light else "black",
            in_layout=False,
        )
