"""The report as one HTML file that needs no network: styles, script, plotly.js and data inside."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping
from typing import NamedTuple

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipeline.base.statistics import Interval
from pipeline.reporting.document import Document
from pipeline.reporting.interactive import to_plotly
from pipeline.reporting.tables import Table, Value, show


class Group(NamedTuple):
    title: str
    span: int


def to_page(document: Document, svg: Mapping[str, bytes], ui: str) -> str:
    """``svg`` holds each chart's static drawing by name, ``ui`` the address of the MLflow UI."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("page.html")
    assert environment.loader is not None
    css, _, _ = environment.loader.get_source(environment, "page.css")
    js, _, _ = environment.loader.get_source(environment, "page.js")
    charts = {chart.name: to_plotly(chart) for chart in document.charts()}
    return template.render(
        document=document,
        svg=svg,
        ui=ui.rstrip("/"),
        css=Markup(css),
        js=Markup(js),
        plotly=Markup(get_plotlyjs()),
        charts=Markup(json.dumps(charts, separators=(",", ":")).replace("<", "\\u003c")),
        show=show,
        order=_order,
        groups=_groups,
        base64=lambda data: base64.b64encode(data).decode(),
    )


def _order(value: Value) -> str:
    """What a column of figures is sorted by; empty for an absent one."""
    if isinstance(value, Interval):
        return repr(value.mean)
    return "" if value is None else str(value)


def _groups(table: Table) -> list[Group]:
    """Neighbouring columns with the same group heading, merged."""
    return [
        Group(title, len(list(columns)))
        for title, columns in itertools.groupby(column.group for column in table.columns)
    ]
