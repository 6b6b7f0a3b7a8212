"""Describe a chart to plotly.js. Colours of text and grid are the page's: its script sets them."""

from __future__ import annotations

import html
import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pipeline.reporting.charts import (
    OKABE_ITO,
    Axis,
    BarChart,
    BarSeries,
    Chart,
    HeatMap,
    LineChart,
    Panel,
    Series,
)

MARKS = {"circle": "circle", "square": "square", "diamond": "diamond", "triangle": "triangle-up"}
FIGURES_UP_TO = 100


def to_plotly(chart: Chart) -> dict[str, Any]:
    """Data and layout as plain JSON values."""
    match chart:
        case LineChart():
            figure = _lines(chart)
        case BarChart():
            figure = _bars(chart)
        case HeatMap():
            figure = _heat(chart)
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        font={"size": 12},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    plain: dict[str, Any] = json.loads(figure.to_json())
    return plain


def _plain(labels: list[str]) -> list[str]:
    """Names as they are: plotly reads a part of HTML in every text."""
    return [html.escape(label, quote=False) for label in labels]


def _times(values: list[Any], factor: float) -> list[Any]:
    return [None if value is None else value * factor for value in values]


def _factor(axis: Axis) -> float:
    return 100.0 if axis.percent else 1.0


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _lines(chart: LineChart) -> go.Figure:
    figure = go.Figure()
    for series in chart.series:
        _one_line(figure, series, _factor(chart.x), _factor(chart.y))
    figure.update_xaxes(title=chart.x.title, zeroline=False)
    if chart.x.whole and max((max(s.x, default=0) for s in chart.series), default=0) <= 12:
        figure.update_xaxes(dtick=1)  # plotly would put ticks at halves
    figure.update_yaxes(title=chart.y.title, zeroline=False)
    figure.update_layout(
        height=380,
        showlegend=len(chart.series) > 1,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    return figure


def _one_line(figure: go.Figure, series: Series, fx: float, fy: float) -> None:
    x, y = _times(series.x, fx), _times(series.y, fy)
    colour = OKABE_ITO[series.colour]
    shape = "hv" if series.style == "step" else "linear"
    trace: dict[str, Any] = {"x": x, "y": y, "name": series.name, "legendgroup": series.name}
    if series.hover:
        trace |= {"text": series.hover, "hovertemplate": "%{text}<extra></extra>"}
    else:
        trace |= {"hovertemplate": f"%{{x}}: %{{y:.4g}}<extra>{series.name}</extra>"}
    low, high = series.low, series.high
    if series.style == "points":
        if low is not None and high is not None:
            trace["error_y"] = _errors(series.y, low, high, fy)
        marker = {"color": colour, "symbol": MARKS[series.mark], "size": 8}
        figure.add_scatter(mode="markers", marker=marker, **trace)
        return
    if low is not None and high is not None:
        edges = {"color": colour, "width": 0, "shape": shape}
        shared: dict[str, Any] = {"x": x, "mode": "lines", "line": edges, "hoverinfo": "skip"}
        shared |= {"showlegend": False, "legendgroup": series.name}
        figure.add_scatter(y=_times(low, fy), **shared)
        figure.add_scatter(y=_times(high, fy), fill="tonexty", fillcolor=_faint(colour), **shared)
    line = {"color": colour, "shape": shape, "dash": "dash" if series.dashed else "solid"}
    figure.add_scatter(mode="lines", line=line, **trace)


def _errors(values: list[Any], low: list[Any], high: list[Any], factor: float) -> dict[str, Any]:
    def reach(bounds: list[Any]) -> list[float]:
        pairs = zip(values, bounds, strict=True)
        return [0.0 if v is None or b is None else abs(v - b) * factor for v, b in pairs]

    return {"type": "data", "symmetric": False, "array": reach(high), "arrayminus": reach(low)}


def _bars(chart: BarChart) -> go.Figure:
    figure = go.Figure()
    factor = _factor(chart.x)
    for i, series in enumerate(chart.series):
        if chart.dots:
            _dots(figure, chart, series, i, factor)
        else:
            figure.add_bar(
                orientation="h",
                x=_times(series.values, factor),
                y=_plain(chart.categories),
                name=series.name,
                marker_color=OKABE_ITO[series.colour],
                error_x=_error_x(series, factor),
                hovertemplate=f"%{{y}}: %{{x:.4g}}<extra>{series.name}</extra>",
            )
    rows = len(chart.categories)
    if chart.dots:
        figure.update_yaxes(
            tickvals=list(range(rows)),
            ticktext=_plain(chart.categories),
            range=[rows - 0.5, -0.5],
            zeroline=False,
        )
    else:
        figure.update_yaxes(autorange="reversed", type="category", dtick=1)
    figure.update_xaxes(title=chart.x.title, zeroline=False)
    figure.update_layout(
        height=130 + max(26, 20 * len(chart.series)) * rows,
        showlegend=len(chart.series) > 1,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        bargap=0.25,
    )
    return figure


def _error_x(series: BarSeries, factor: float) -> dict[str, Any] | None:
    if series.low is None or series.high is None:
        return None
    return _errors(series.values, series.low, series.high, factor)


def _dots(figure: go.Figure, chart: BarChart, series: BarSeries, index: int, factor: float) -> None:
    offset = (index - (len(chart.series) - 1) / 2) * 0.8 / len(chart.series)
    figure.add_scatter(
        mode="markers",
        x=_times(series.values, factor),
        y=[place + offset for place in range(len(chart.categories))],
        text=_plain(chart.categories),
        name=series.name,
        marker={"color": OKABE_ITO[series.colour], "symbol": MARKS[series.mark], "size": 9},
        error_x=_error_x(series, factor),
        hovertemplate=f"%{{text}}: %{{x:.2f}}<extra>{series.name}</extra>",
    )


def _written(panel: Panel, percent: bool) -> list[list[str]]:
    """The figures in the cells; counts of zero are left out."""
    if percent:
        return [["" if v is None else f"{100 * v:.1f}" for v in row] for row in panel.values]
    return [[f"{v:.0f}" if v else "" for v in row] for row in panel.values]


def _heat(chart: HeatMap) -> go.Figure:
    count = len(chart.panels)
    across = 1 if count == 1 else 2
    down = -(-count // across)
    rows, columns = len(chart.y_labels), len(chart.x_labels)
    titles = [panel.title for panel in chart.panels]
    down_names, across_names = _plain(chart.y_labels), _plain(chart.x_labels)
    figure = make_subplots(
        down,
        across,
        subplot_titles=titles if any(titles) else None,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.05,
        vertical_spacing=0.3 / down if rows < 3 else 0.16 / down,
    )
    percent = chart.scale == "share"
    many = rows * columns > FIGURES_UP_TO
    for i, panel in enumerate(chart.panels):
        row, column = i // across + 1, i % across + 1
        figure.add_heatmap(
            z=np.array(panel.values, dtype=float) * (100.0 if percent else 1.0),
            x=across_names,
            y=down_names,
            coloraxis="coloraxis",
            text=None if many else _written(panel, percent),
            texttemplate=None if many else "%{text}",
            hovertemplate=(
                f"{chart.y_title} %{{y}}<br>{chart.x_title} %{{x}}"
                f"<br>%{{z{':.2f' if percent else ''}}}{' %' if percent else ''}<extra></extra>"
            ),
            row=row,
            col=column,
        )
        if panel.marked is not None:
            y, x = panel.marked
            edge = {"color": OKABE_ITO["orange"], "width": 3}
            box = {"x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
            figure.add_shape(type="rect", line=edge, row=row, col=column, **box)
    bare = {"showgrid": False, "zeroline": False, "type": "category"}
    figure.update_xaxes(**bare)
    figure.update_yaxes(
        range=[rows - 0.5, -0.5],
        **bare,
    )
    figure.update_annotations(font_size=12)
    figure.update_xaxes(title=chart.x_title, row=down)
    figure.update_yaxes(title={"text": chart.y_title, "standoff": 14}, col=1)
    if not percent:
        figure.update_yaxes(scaleanchor="x", constrain="domain")
        figure.update_xaxes(constrain="domain")
    side = 34 if not many else max(5, 420 // rows)
    figure.update_layout(
        height=min(760, 150 + down * (rows * side + 50)),
        coloraxis={
            "colorscale": "Cividis" if percent else "Blues",
            "colorbar": {"thickness": 12, "outlinewidth": 0},
        },
    )
    return figure
