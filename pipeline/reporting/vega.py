"""Put a Vega-Lite description into a page or a file, and draw it as SVG.

Colours of text and lines are CSS variables of the page, so that a drawing fits both light and dark.
In a file they are replaced by their light values.
"""

import json
import re
from typing import Any

import vl_convert

from pipeline.base.text import printable_lines

Spec = dict[str, Any]

WIDTH = 720
"""Width in pixels of a drawing in a file; on the page it fills the available width."""
PANEL_HEADER = 40
"""Pixels between the panels of a facet, and above the first."""
PANEL_AXIS = 40
"""Pixels below the last panel of a facet."""
_LINES = "split(datum.label, '\\n')"
_SHORT = "truncate({}, 32, 'center')"
LABEL = (
    f"{_SHORT.format(f'{_LINES}[0]')} + "
    f"(length({_LINES}) > 1 ? '\\n' + {_SHORT.format(f'{_LINES}[1]')} : '')"
)
"""Expression for the label of a category: one line or two, each of which may be long.

The middle is left out: long names often differ at their end.
"""
LIGHT = {"--paper": "white", "--ink": "#1c2024", "--soft": "#5b6570", "--line": "#dde1e6"}
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
    "lineBreak": "\n",
    "view": {"stroke": None},
    "mark": {"aria": False},
    "axis": {
        **_LABELS,
        "labelLimit": 0,  # measuring text takes most of the time of a drawing
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
    },
    "axisQuantitative": {"tickCount": 8},
    "legend": {**_LABELS, "orient": "top", "columns": 3, "labelLimit": 260},
    "header": {**_LABELS, "title": None},
    "text": {"color": "var(--ink)"},
}


def framed(spec: Spec) -> Spec:
    """Add the schema, the style and a white background, so that ``spec`` is complete."""
    schema = "https://vega.github.io/schema/vega-lite/v6.json"
    return {"$schema": schema, "config": _CONFIG, "background": "white", **_harmless(spec)}


def _harmless(part: Any) -> Any:
    """Escape the control characters of names: an SVG with one ends the process that draws it."""
    if isinstance(part, dict):
        return {name: _harmless(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_harmless(value) for value in part]
    return printable_lines(part) if isinstance(part, str) and not part.isprintable() else part


def light(spec: Spec) -> Spec:
    """Replace the page's colours by their light values, for a file that stands alone.

    Marks that nobody sees, which only answer the pointer on the page, are left out.
    """
    layers = [
        each
        for each in spec.get("layer", [])
        if isinstance(each["mark"], str) or each["mark"].get("opacity") != 0
    ]
    text = json.dumps(spec | ({"layer": layers} if layers else {}))
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


def heights(spec: Spec) -> tuple[int, int]:
    """Return a drawing's height in pixels on a wide screen and on a phone.

    On a phone, panels stand below each other, and the legend above them.
    """
    if "facet" not in spec:
        return spec["height"], spec["height"]
    panels, one = len(spec["facet"]["sort"]), spec["spec"]["height"] + PANEL_HEADER
    return -(-panels // spec["columns"]) * one + PANEL_AXIS, panels * one + 2 * PANEL_AXIS


def sized(view: Spec, height: int) -> Spec:
    """Give ``view`` its whole size, inside which its axes and legend are fitted."""
    fit = {"type": "fit", "contains": "padding"}
    return {"width": WIDTH, "height": height, "autosize": fit, **view}
