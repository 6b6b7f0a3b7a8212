"""Describe a chart in Vega-Lite, once for the page and for the files, and draw it as SVG.

Colours of text and lines are the page's own CSS variables, so a drawing on the page is right in
light and in dark. In a file they are replaced by their light values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import vl_convert

from pipeline.reporting.charts import OKABE_ITO, Axis, BarChart, Chart, HeatMap, LineChart, Series

Spec = dict[str, Any]

WIDTH = 720
"""Pixels of a drawing in a file; on the page it is as wide as there is room."""
LINE_HEIGHT = 360
FIGURES_UP_TO = 100
"""A panel with more cells than this is drawn without its figures."""
LIGHT = {"--ink": "#1c2024", "--soft": "#5b6570", "--line": "#dde1e6"}
MARKS = {"circle": "circle", "square": "square", "diamond": "diamond", "triangle": "triangle-up"}
_LABELS = {
    "labelColor": "var(--ink)",
    "labelFontSize": 12,
    "titleColor": "var(--ink)",
    "titleFontSize": 12,
    "titleFontWeight": "normal",
}
_CONFIG: Spec = {
    "aria": False,  # each figure has one description as a whole
    "font": "sans-serif",
    "view": {"stroke": None},
    "mark": {"aria": False},
    "axis": {
        **_LABELS,
        "labelLimit": 200,
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
    },
    "legend": {**_LABELS, "orient": "top", "columns": 3, "labelLimit": 260},
    "header": {**_LABELS, "title": None},
    "text": {"color": "var(--ink)"},
}


def to_spec(chart: Chart) -> Spec:
    """Describe ``chart`` in Vega-Lite, ``WIDTH`` pixels wide."""
    match chart:
        case LineChart():
            spec = _fitted(line_view(chart), LINE_HEIGHT)
        case BarChart():
            spec = _bars(chart)
        case HeatMap():
            spec = _heat(chart)
    return framed(spec)


def framed(spec: Spec) -> Spec:
    """Add the schema, the style and a white ground, so that ``spec`` stands alone."""
    schema = "https://vega.github.io/schema/vega-lite/v6.json"
    return {"$schema": schema, "config": _CONFIG, "background": "white", **spec}


def light(spec: Spec) -> Spec:
    """Replace the page's colours by their light values, for a file that stands alone."""
    text = json.dumps(spec)
    for name, colour in LIGHT.items():
        text = text.replace(f"var({name})", colour)
    plain: Spec = json.loads(text)
    return plain


def to_svg(spec: Spec) -> bytes:
    """Draw a description as SVG; the same description gives the same bytes."""
    svg = vl_convert.vegalite_to_svg(light(spec))
    # Vega counts its clips and gradients over the life of the process.
    numbers: dict[str, str] = {}

    def renumbered(match: re.Match[str]) -> str:
        return match[1] + numbers.setdefault(match[2], f"part{len(numbers)}")

    return re.sub(r"""(\bid="|url\(#)((?:clip|gradient_)\d+)""", renumbered, svg).encode()


def heights(spec: Spec, svg: bytes) -> tuple[int, int]:
    """Return the pixels a drawing takes from top to bottom, on a wide screen and on a phone.

    On a phone, panels stand below each other.
    """
    drawn = re.search(rb' height="(\d+)', svg)
    assert drawn is not None
    height = int(drawn[1])
    if "facet" not in spec:
        return height, height
    panels, view = len(spec["facet"]["sort"]), spec["spec"]
    return height, height + (panels - -(-panels // spec["columns"])) * (view["height"] + 40)


def _scaled(value: float | None, axis: Axis) -> float | None:
    """Five digits: more cannot be seen, and take room on the page."""
    return None if value is None else float(f"{value * (100.0 if axis.percent else 1.0):.5g}")


def _bounds(bounds: Sequence[float | None] | None, length: int) -> Sequence[float | None]:
    return bounds or [None] * length


def _by_series(names: list[str], values: Iterable[Any], symbol: str | None = None) -> Spec:
    """Encode the series by a colour, a mark or a dash of its own, explained in one legend."""
    legend: Spec | None = None
    if len(names) > 1:
        legend = {"title": None, "symbolType": symbol, "symbolOpacity": 1}
    scale = {"domain": names, "range": list(values)}
    return {"field": "series", "type": "nominal", "scale": scale, "legend": legend}


def _axis(axis: Axis, field: str) -> Spec:
    scale: Spec = {"zero": False, "nice": not axis.whole}
    if axis.limits is not None:
        scale |= {"domain": list(axis.limits), "clamp": False}
    ticks: Spec = {"tickMinStep": 1, "format": "d"} if axis.whole else {}
    return {
        "field": field,
        "type": "quantitative",
        "title": axis.title,
        "scale": scale,
        "axis": ticks | {"grid": field == "y" or not axis.whole},
    }


def _rows(chart: LineChart) -> list[Spec]:
    rows = []
    for series in chart.series:
        low, high = (_bounds(bound, len(series.x)) for bound in (series.low, series.high))
        for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            row = {"series": series.name, "x": _scaled(x, chart.x), "y": _scaled(y, chart.y)}
            row |= {"low": _scaled(low[i], chart.y), "high": _scaled(high[i], chart.y)}
            row |= {"tip": series.hover[i]} if series.hover else {}
            row |= {"label": series.labels[i]} if series.labels else {}
            rows.append({key: value for key, value in row.items() if value is not None})
    return rows


def _fitted(view: Spec, height: int) -> Spec:
    """Give ``view`` a size with its axes and legend inside."""
    fit = {"type": "fit", "contains": "padding"}
    return {"width": WIDTH, "height": height, "autosize": fit, **view}


def line_view(chart: LineChart) -> Spec:
    """Describe lines and points, without a size."""
    every = chart.series
    names = [series.name for series in every]
    y = _axis(chart.y, "y")
    tooltip = [
        {"field": "series", "title": " "},
        {"field": "x", "title": chart.x.title},
        {"field": "y", "title": chart.y.title, "format": ".4~g"},
    ]
    if any(series.hover for series in every):
        tooltip = [{"field": "tip", "title": " "}, *tooltip[1:]]
    symbol = None if any(each.style == "points" for each in every) else "stroke"
    dash = _by_series(names, ([5, 4] if each.dashed else [1, 0] for each in every), symbol)
    mark = _by_series(names, (MARKS[each.mark] for each in every))
    points = {"type": "point", "filled": True, "size": 50, "opacity": 0.9}
    bound = {"y": y | {"field": "low"}, "y2": {"field": "high"}}

    def layer(kept: list[Series], shape: Any, more: Spec) -> list[Spec]:
        if not kept:
            return []
        chosen = {"field": "series", "oneOf": [each.name for each in kept]}
        return [{"transform": [{"filter": chosen}], "mark": shape, "encoding": {"y": y, **more}}]

    banded = [each for each in every if each.low is not None]
    lines = [each for each in every if each.style != "points"]
    dots = [each for each in every if each.style == "points"]
    steps = [each for each in lines if each.style == "step"]
    straight = [each for each in lines if each.style == "line"]
    layers = [
        *layer([s for s in banded if s in lines], {"type": "area", "opacity": 0.18}, bound),
        *layer([s for s in banded if s in dots], "rule", bound),
        *layer(
            straight, {"type": "line", "clip": chart.y.limits is not None}, {"strokeDash": dash}
        ),
        *layer(steps, {"type": "line", "interpolate": "step-after"}, {"strokeDash": dash}),
        *layer(dots, points, {"shape": mark, "tooltip": tooltip}),
        *layer(lines, points | {"size": 80, "opacity": 0}, {"tooltip": tooltip}),
        *layer(
            [each for each in every if each.labels],
            {"type": "text", "dy": -8, "fontSize": 10, "color": "var(--ink)"},
            {"text": {"field": "label"}, "color": {"value": "var(--ink)"}},
        ),
    ]
    colour = _by_series(names, (OKABE_ITO[each.colour] for each in every), symbol)
    return {
        "data": {"values": _rows(chart)},
        "encoding": {"x": _axis(chart.x, "x"), "color": colour},
        "layer": layers,
    }


def _bars(chart: BarChart) -> Spec:
    names = [series.name for series in chart.series]
    values = []
    for series in chart.series:
        low, high = (_bounds(bound, len(series.values)) for bound in (series.low, series.high))
        for i, category in enumerate(chart.categories):
            row = {"series": series.name, "category": category}
            figures = {"x": series.values[i], "low": low[i], "high": high[i]}
            values.append(row | {key: _scaled(each, chart.x) for key, each in figures.items()})
    x = _axis(chart.x, "x")
    colour = _by_series(names, (OKABE_ITO[each.colour] for each in chart.series))
    mark = _by_series(names, (MARKS[each.mark] for each in chart.series))
    labels: Spec = {"grid": chart.dots, "tickBand": "extent", "domain": False, "ticks": False}
    y: Spec = {"field": "category", "type": "nominal", "title": None, "axis": labels}
    # A category without a value keeps its place.
    shared: Spec = {"y": y | {"scale": {"domain": chart.categories}}, "color": colour}
    if len(names) > 1:
        shared["yOffset"] = {"field": "series", "type": "nominal", "sort": names}
    tooltip = [
        {"field": "category", "title": " "},
        {"field": "x", "title": chart.x.title, "format": ".4~g"},
    ]
    shape: Spec = {"type": "point", "filled": True, "size": 70, "opacity": 1}
    more = {"shape": mark}
    if not chart.dots:
        shape, more = {"type": "bar"}, {}
        x["scale"] = {"zero": True}
    bound = {"x": x | {"field": "low"}, "x2": {"field": "high"}}
    rule = {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": bound}
    rules = [rule] if any(row["low"] is not None for row in values) else []
    drawn = {"mark": shape, "encoding": {"x": x, "tooltip": tooltip, **more}}
    view = {"data": {"values": values}, "encoding": shared, "layer": [*rules, drawn]}
    return _fitted(view, 100 + max(24, 16 * len(names)) * len(chart.categories))


def _heat(chart: HeatMap) -> Spec:
    """Panels side by side; cells without a value are left out, and so are counts of zero."""
    rows, columns = len(chart.y_labels), len(chart.x_labels)
    share = chart.scale == "share"
    factor, across = 100.0 if share else 1.0, 1 if len(chart.panels) == 1 else 2
    values = [
        {"panel": panel.title, "x": chart.x_labels[j], "y": chart.y_labels[i]}
        | {"value": round(value * factor, 3)}
        | ({"marked": True} if panel.marked == (i, j) else {})
        for panel in chart.panels
        for i, row in enumerate(panel.values)
        for j, value in enumerate(row)
        if value is not None and (share or value)
    ]
    figures = [float(str(row["value"])) for row in values] or [0.0]
    middle = (min(figures) + max(figures)) / 2
    many = rows * columns > FIGURES_UP_TO
    labels = {"grid": False, "ticks": False, "domain": False, "labelOverlap": True}
    across_labels = labels | {"labelAngle": 0 if share else -45, "labelLimit": 110}

    def position(field: str, title: str, names: list[str], axis: Spec) -> Spec:
        placed = {"field": field, "type": "ordinal", "title": title, "scale": {"domain": names}}
        return placed | {"axis": axis}

    legend = {"title": None, "orient": "right", "gradientThickness": 12}
    low = {} if share else {"domainMin": 0}
    tooltip = [
        {"field": "y", "title": chart.y_title},
        {"field": "x", "title": chart.x_title},
        {"field": "value", "title": "%" if share else "images"},
    ]
    scale = {"scheme": "cividis", **low}
    colour = {"field": "value", "type": "quantitative", "scale": scale, "legend": legend}
    layers: list[Spec] = [{"mark": "rect", "encoding": {"color": colour, "tooltip": tooltip}}]
    if not many:
        white = {"test": f"datum.value < {middle:g}", "value": "white"}
        text = {"field": "value", "format": ".1f" if share else "d"}
        layers.append(
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {"text": text, "color": {"condition": white, "value": "black"}},
            }
        )
    frame = {"type": "rect", "filled": False, "stroke": OKABE_ITO["orange"], "strokeWidth": 3}
    layers.append({"transform": [{"filter": "datum.marked"}], "mark": frame})
    side = 28 if not many else max(2, 420 // rows)
    view: Spec = {
        "width": (WIDTH - 150) // across,
        "height": rows * side,
        "layer": layers,
        "encoding": {
            "x": position("x", chart.x_title, chart.x_labels, across_labels),
            "y": position("y", chart.y_title, chart.y_labels, labels),
        },
    }
    data = {"data": {"values": values}}
    if not share:  # what no image fell into has the colour of zero
        square = {"width": 560, "height": 560, "view": {"fill": "#00224e"}}
        return _fitted(data | view | square, 560)
    facet = {"field": "panel", "type": "nominal", "sort": [p.title for p in chart.panels]}
    return data | {"facet": facet, "columns": across, "spacing": 16, "spec": view}
