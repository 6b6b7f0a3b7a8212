"""Write the report as HTML files that need no network: styles, Vega and data are inside."""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple
from urllib.parse import quote

import jinja2
import vl_convert
from markupsafe import Markup

from pipeline.base.statistics import Interval
from pipeline.reporting.charts import Chart
from pipeline.reporting.document import Document, Section
from pipeline.reporting.tables import Table, Value, show
from pipeline.reporting.vega import Spec, heights


class Group(NamedTuple):
    title: str
    span: int


PAGES = "datasets"
"""Folder, beside ``report.html``, of the pages for a single dataset and model."""


def to_pages(
    document: Document, specs: Mapping[str, Spec], svg: Mapping[str, bytes], ui: str
) -> Iterator[tuple[str, str]]:
    """Yield the file name and text of ``report.html``, then those of the sections' own pages.

    ``specs`` and ``svg`` hold each chart's description and drawing by name; ``ui`` is the address
    of the MLflow UI.
    """
    own = [section for section in document.sections if section.own_page]
    links = {f"{PAGES}/{quote(section.anchor)}.html": section.title for section in own}
    kept = [section for section in document.sections if not section.own_page]
    write = partial(_page, specs=specs, svg=svg, ui=ui)
    yield "report.html", write(replace(document, sections=kept), links=links)
    for section in own:
        alone = Document(section.title, [Section("Result", section.anchor, section.blocks)])
        alone.sections.extend(section.sections)
        back = {"../report.html": document.title}
        yield f"{section.anchor}.html", write(alone, links=back)


def _page(
    document: Document,
    specs: Mapping[str, Spec],
    svg: Mapping[str, bytes],
    ui: str,
    links: Mapping[str, str],
) -> str:
    specs = {chart.name: specs[chart.name] for chart in document.every(Chart)}
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
        links=links,
        svg=svg,
        ui=ui.rstrip("/"),
        css=Markup(css),
        js=Markup(js),
        vega=Markup(_vega()),
        charts=Markup(json.dumps(specs, separators=(",", ":")).replace("<", "\\u003c")),
        show=show,
        order=_order,
        groups=_groups,
        heights={name: heights(spec, svg[name]) for name, spec in specs.items()},
        base64=lambda data: base64.b64encode(data).decode(),
    )


@cache
def _vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; bundling it takes a second."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def _order(value: Value) -> str:
    """Return the key by which a column of figures is sorted; empty for a missing value."""
    if isinstance(value, Interval):
        return repr(value.mean)
    return "" if value is None else str(value)


def _groups(table: Table) -> list[Group]:
    """Merge neighbouring columns that have the same group heading."""
    return [
        Group(title, len(list(columns)))
        for title, columns in itertools.groupby(column.group for column in table.columns)
    ]
