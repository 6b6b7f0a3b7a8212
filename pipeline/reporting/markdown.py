"""Write the report as Markdown, with its figures and tables as files beside it."""

from urllib.parse import quote

import jinja2

from pipeline.base.text import markdown
from pipeline.reporting.document import Document
from pipeline.reporting.tables import to_markdown


def to_report(document: Document) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    template = environment.get_template("report.md.jinja")
    text = template.render(document=document, line=markdown, quote=quote, table=to_markdown)
    return text.rstrip("\n") + "\n"
