"""Write the report as HTML files that need no network: styles, Vega and data are inside."""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import NamedTuple

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


def to_pages(
    document: Document, specs: Mapping[str, Spec], svg: Mapping[str, bytes], ui: str
) -> Iterator[tuple[str, str]]:
    """Yield the file name and text of ``report.html``, then those of the sections' own pages.

    ``specs`` holds each chart's description by name, and ``svg`` the drawings for readers without
    JavaScript; ``ui`` is the address of the MLflow UI.
    """
    own = [section for section in document.sections if section.own_page]
    links = {section.page: section.title for section in own}
    write = partial(_page, specs=specs, svg=svg, ui=ui)
    yield "report.html", write(document.front, links=links)
    for section in own:
        alone = Document(section.title, [Section("Result", section.anchor, section.blocks)])
        alone.sections.extend(section.sections)
        yield f"{section.anchor}.html", write(alone, home=document.title)


def _page(
    document: Document,
    specs: Mapping[str, Spec],
    svg: Mapping[str, bytes],
    ui: str,
    links: Mapping[str, str] = MappingProxyType({}),
    home: str = "",
) -> str:
    """Write a page; ``links`` are titles by address, ``home`` the title of the first page."""
    specs = {chart.name: specs[chart.name] for chart in document.every(Chart)}
    return _template().render(
        document=document,
        links=links,
        home=home,
        svg=svg,
        ui=ui.rstrip("/"),
        vega=Markup(_vega()),
        charts=Markup(json.dumps(specs, separators=(",", ":")).replace("<", "\\u003c")),
        show=show,
        order=_order,
        groups=_groups,
        heights={name: heights(spec) for name, spec in specs.items()},
        base64=lambda data: base64.b64encode(data).decode(),
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    assert environment.loader is not None
    for name in ("css", "js"):
        source, _, _ = environment.loader.get_source(environment, f"page.{name}")
        environment.globals[name] = Markup(source)
    return environment.get_template("page.html")


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
