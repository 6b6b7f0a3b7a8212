"""Write the report as Markdown, with its figures and tables as files beside it."""

from urllib.parse import quote

from pipeline.base.templates import rendered
from pipeline.base.text import markdown
from pipeline.reporting.document import Document
from pipeline.reporting.tables import to_markdown


def to_report(document: Document) -> str:
    values = {"document": document, "line": markdown, "quote": quote, "table": to_markdown}
    return rendered("pipeline.reporting", "report.md.jinja", **values).rstrip("\n") + "\n"
