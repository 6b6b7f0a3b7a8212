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


def _section(section: Section, level: int) -> Iterator[str]:
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
                yield f"**{markdown(block.title)}**"
                yield f"![{markdown(block.title)}]({_link('figures', block.name)}.svg)"
                yield f"*{block.caption}*"
    for below in section.sections:
        yield from _section(below, level + 1)
