"""Write the report as Markdown, with its figures and tables as files beside it."""

from collections.abc import Iterator
from urllib.parse import quote

from pipeline.base.text import markdown
from pipeline.reporting.charts import Chart
from pipeline.reporting.document import Details, Document, Facts, Gallery, Items, Section, Text
from pipeline.reporting.tables import Table, to_markdown


def to_report(document: Document) -> str:
    parts = [f"# {markdown(document.title)}"]
    for section in document.sections:
        parts += _section(section, 2)
    return "\n\n".join(parts) + "\n"


def _link(folder: str, name: str) -> str:
    return f"{folder}/{quote(name)}"


def _section(section: Section, level: int, page: str | None = None) -> Iterator[str]:
    """Yield the parts of a section; its charts are linked if they are drawn on a page only."""
    page = section.page if section.own_page else page
    yield f"{'#' * level} {markdown(section.title)}"
    for block in section.blocks:
        match block:
            case Text():
                yield f"> {block.text}" if block.kind == "notice" else block.text
            case Items():
                yield "\n".join(f"* {line}" for line in block.lines)
            case Facts():
                yield "\n".join(f"* **{markdown(name)}**: {text}" for name, text in block.lines)
            case Table():
                yield f"{block.caption} ([CSV]({_link('tables', block.name)}.csv))"
                yield to_markdown(block)
            case Details():
                file = f"{_link('tables', block.table.name)}.csv"
                yield f"{block.summary}: [CSV]({file})"
            case Gallery():
                yield f"**{block.title}**"
                start = _link("figures", block.name)
                yield "\n".join(
                    f"![{markdown(picture.caption)}]({start}-{i}.png) {markdown(picture.caption)}  "
                    for i, picture in enumerate(block.pictures)
                )
            case Chart():
                title = markdown(block.title)
                if page:
                    yield f"**[{title}]({page}#figure-{quote(block.name)})**"
                else:
                    yield f"**{title}**"
                    yield f"![{title}]({_link('figures', block.name)}.svg)"
                yield f"*{block.caption}*"
    for below in section.sections:
        yield from _section(below, level + 1, page)
