"""Describe lines, points and bars in Vega-Lite."""

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.reporting.charts import OKABE_ITO, Axis, BarChart, LineChart, Series
from pipeline.reporting.vega import LABEL, Spec, sized

LINE_HEIGHT = 420
MARKS = {"circle": "circle", "square": "square", "diamond": "diamond", "triangle": "triangle-up"}


def scaled(value: float | None, axis: Axis) -> float | None:
    """Scale a value for an axis and round it to five digits; more would only enlarge the page."""
    return None if value is None else float(f"{value * (100.0 if axis.percent else 1.0):.5g}")


def _bounds(bounds: Sequence[float | None] | None, length: int) -> Sequence[float | None]:
    return bounds or [None] * length


def _by_series(names: list[str], values: Iterable[Any], symbol: str | None = None) -> Spec:
    """Encode each series by its own colour, mark or dash, explained in one legend."""
    legend: Spec | None = None
    if len(names) > 1:
        legend = {"title": None, "symbolType": symbol, "symbolOpacity": 1}
    scale = {"domain": names, "range": list(values)}
    return {"field": "series", "type": "nominal", "scale": scale, "legend": legend}


def _axis(axis: Axis, field: str) -> Spec:
    scale: Spec = {"zero": False, "nice": not axis.whole}
    if axis.limits is not None:
        scale |= {"domain": list(axis.limits), "clamp": False}
    ticks: Spec = {}
    if axis.whole:  # Vega has a tick between 1 and 2, whatever the least step
        between = {"condition": {"test": "datum.value % 1", "value": 0}, "value": 1}
        label = "datum.value % 1 ? '' : datum.label"
        ticks = {"format": "d", "labelExpr": label, "tickOpacity": between}
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
            row = {"series": series.name, "x": scaled(x, chart.x), "y": scaled(y, chart.y)}
            row |= {"low": scaled(low[i], chart.y), "high": scaled(high[i], chart.y)}
            row |= {"label": series.labels[i]} if series.labels else {}
            rows.append({key: value for key, value in row.items() if value is not None})
    return rows


def line_view(chart: LineChart) -> Spec:
    """Describe lines and points; the size is set later."""
    every = chart.series
    names = [series.name for series in every]
    y = _axis(chart.y, "y")
    tooltip = [
        {"field": "series", "title": " "},
        {"field": "x", "title": chart.x.title},
        {"field": "y", "title": chart.y.title, "format": ".4~g"},
    ]
    symbol = None if any(each.style == "points" for each in every) else "stroke"
    dash = _by_series(names, ([5, 4] if each.dashed else [1, 0] for each in every), symbol)
    shapes = (MARKS[each.mark] if each.style == "points" else "stroke" for each in every)
    mark = _by_series(names, shapes)
    points = {"type": "point", "filled": True, "size": 50, "opacity": 1}
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
    if chart.faint:
        layers.insert(0, _faint(chart, y))
    return {
        "data": {"values": _rows(chart)},
        "encoding": {"x": _axis(chart.x, "x"), "color": colour},
        "layer": layers,
    }


def _faint(chart: LineChart, y: Spec) -> Spec:
    rows = [
        {
            "line": number,
            "x": [scaled(x, chart.x) for x in xs],
            "y": [scaled(value, chart.y) for value in ys],
        }
        for number, (xs, ys) in enumerate(chart.faint)
    ]
    grey = {"value": OKABE_ITO["grey"]}
    return {
        "data": {"values": rows},
        "transform": [{"flatten": ["x", "y"]}],
        "mark": {"type": "line", "strokeWidth": 0.8, "opacity": 0.3},
        "encoding": {"y": y, "detail": {"field": "line"}, "color": grey},
    }


def bar_view(chart: BarChart) -> Spec:
    names = [series.name for series in chart.series]
    values: list[Spec] = []
    for series in chart.series:
        low, high = (_bounds(bound, len(series.values)) for bound in (series.low, series.high))
        for i, category in enumerate(chart.categories):
            row: Spec = {"series": series.name, "category": category}
            figures = {"x": series.values[i], "low": low[i], "high": high[i]}
            if series.seeds:
                row |= {"seeds": [scaled(each, chart.x) for each in series.seeds[i]]}
            values.append(row | {key: scaled(each, chart.x) for key, each in figures.items()})
    x = _axis(chart.x, "x")
    colour = _by_series(names, (OKABE_ITO[each.colour] for each in chart.series))
    mark = _by_series(names, (MARKS[each.mark] for each in chart.series))
    labels: Spec = {"grid": chart.dots, "tickBand": "extent", "domain": False, "ticks": False}
    labels["labelExpr"] = LABEL
    y: Spec = {"field": "category", "type": "nominal", "title": None, "axis": labels}
    # A category without a value keeps its place.
    shared: Spec = {"y": y | {"scale": {"domain": chart.categories}}, "color": colour}
    if len(names) > 1:
        shared["yOffset"] = {"field": "series", "type": "nominal", "sort": names}
    tooltip: list[Spec] = [
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
    layers: list[Spec] = [*rules, drawn]
    if any(series.seeds for series in chart.series):
        dots = {"type": "point", "filled": True, "size": 16, "opacity": 1}
        encoding = {"x": x | {"field": "seeds"}}
        layers.append({"transform": [{"flatten": ["seeds"]}], "mark": dots, "encoding": encoding})
    if not chart.dots:
        text = {"type": "text", "align": "left", "dx": 4}
        encoding = {"x": x, "text": {"field": "x", "format": ".1f"}}
        layers.append({"mark": text, "encoding": encoding | {"color": {"value": "var(--ink)"}}})
    view = {"data": {"values": values}, "encoding": shared, "layer": layers}
    return sized(view, 150 + max(24, 16 * len(names)) * len(chart.categories))
