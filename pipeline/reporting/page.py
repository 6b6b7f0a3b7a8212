"""Write the report as one HTML file that needs no network: styles, Vega and data are inside."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping
from typing import NamedTuple

import jinja2
import vl_convert
from markupsafe import Markup

from pipeline.base.statistics import Interval
from pipeline.reporting.document import Document
from pipeline.reporting.tables import Table, Value, show
from pipeline.reporting.vega import Spec, heights


class Group(NamedTuple):
    title: str
    span: int


def to_page(
    document: Document, specs: Mapping[str, Spec], svg: Mapping[str, bytes], ui: str
) -> str:
    """Write the page.

    ``specs`` and ``svg`` hold each chart's description and its drawing by name, ``ui`` the address
    of the MLflow UI.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("page.html")
    assert environment.loader is not None
    css, _, _ = environment.loader.get_source(environment, "page.css")
    js, _, _ = environment.loader.get_source(environment, "page.js")
    return template.render(
        document=document,
        svg=svg,
        ui=ui.rstrip("/"),
        css=Markup(css),
        js=Markup(js),
        vega=Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")),
        charts=Markup(json.dumps(specs, separators=(",", ":")).replace("<", "\\u003c")),
        show=show,
        order=_order,
        groups=_groups,
        heights={name: heights(spec, svg[name]) for name, spec in specs.items()},
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
