"""Describe heat maps and parallel coordinates in Vega-Lite."""

from pipeline.reporting.charts import OKABE_ITO, HeatMap, Parallel
from pipeline.reporting.vega import LABEL, WIDTH, Spec, sized

MOST_FIGURES = {"share": 100, "count": 144}
"""A panel with more cells than this is drawn without numbers in the cells; counts are shorter."""
MOST_LABELS = 40
DARK = "luminance(scale('color', datum.value)) < 0.179"
"""Whether white text is easier to read on a cell than black; at the bound both have 4.58 (WCAG)."""


def heat_view(chart: HeatMap) -> Spec:
    """Describe panels side by side; cells without a value and counts of zero are left out."""
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
    many = rows * columns > MOST_FIGURES[chart.scale]
    labels = {
        "grid": False,
        "ticks": False,
        "domain": False,
        "labelExpr": LABEL,
        "labelOverlap": True,
    }
    across_labels = labels | {"labelAngle": 0 if share else -45}

    def position(field: str, title: str, names: list[str], axis: Spec) -> Spec:
        placed = {"field": field, "type": "ordinal", "title": title, "scale": {"domain": names}}
        return placed | {"axis": axis | {"values": names[:: -(-len(names) // MOST_LABELS)]}}

    legend = {"title": None, "orient": "right", "gradientThickness": 12}
    tooltip = [
        {"field": "y", "title": chart.y_title},
        {"field": "x", "title": chart.x_title},
        {"field": "value", "title": "%" if share else "images"},
    ]
    # A single image must stand out from the colour of zero, with WCAG's contrast of 3.
    scale = {"scheme": {"name": "cividis", "extent": [0, 1] if share else [0.5, 1]}}
    colour = {"field": "value", "type": "quantitative", "scale": scale, "legend": legend}
    layers: list[Spec] = [{"mark": "rect", "encoding": {"color": colour, "tooltip": tooltip}}]
    if not many:
        white = {"test": DARK, "value": "white"}
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
    if not share:  # cells without images have the colour of zero
        ground = {"view": {"fill": "#00224e", "stroke": "var(--soft)"}}
        return sized(data | view | ground, WIDTH) | {"width": WIDTH, "height": WIDTH}
    facet = {"field": "panel", "type": "nominal", "sort": [p.title for p in chart.panels]}
    return data | {"facet": facet, "columns": across, "spacing": 16, "spec": view}


def parallel_view(chart: Parallel) -> Spec:
    """Describe a line per trial over the axes, coloured by the accuracy it reached."""
    titles = [title for title, _ in chart.axes]
    ticks = [
        {"axis": title, "at": at, "label": label}
        for title, labels in chart.axes
        for label, at in zip(labels, _spread(len(labels)), strict=True)
    ]
    steps = [_spread(len(labels)) for _, labels in chart.axes]
    lines = [
        {
            "line": number,
            "value": round(100 * value, 2),
            "axis": titles,
            "at": [step[place] for step, place in zip(steps, places, strict=True)],
        }
        for number, (places, value) in enumerate(chart.lines)
    ]
    x = {
        "field": "axis",
        "type": "nominal",
        "title": None,
        "scale": {"type": "point", "domain": titles, "padding": 0.3},
        "axis": {"labelAngle": 0, "grid": True, "ticks": False},
    }
    y = {"field": "at", "type": "quantitative", "axis": None, "scale": {"domain": [-0.05, 1.05]}}
    legend = {"title": "%", "orient": "right", "gradientThickness": 12}
    text = {"type": "text", "align": "left", "dx": 5}
    edge = {"color": "var(--paper)", "stroke": "var(--paper)", "strokeWidth": 4}
    colour = {
        "field": "value",
        "type": "quantitative",
        "legend": legend,
        "scale": {"range": [OKABE_ITO["grey"], OKABE_ITO["orange"]]},
    }
    return {
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "data": {"values": lines},
                "transform": [{"flatten": ["axis", "at"]}],
                "mark": {"type": "line", "strokeWidth": 1.5, "opacity": 0.9},
                "encoding": {"detail": {"field": "line"}, "color": colour},
            },
            *(
                {
                    "data": {"values": ticks},
                    "mark": text | style,
                    "encoding": {"text": {"field": "label"}},
                }
                for style in (edge, {"color": "var(--ink)"})
            ),
        ],
    }


def _spread(count: int) -> list[float]:
    """Spread values evenly over an axis from 0 to 1."""
    return [round(i / (count - 1), 3) if count > 1 else 0.5 for i in range(count)]
