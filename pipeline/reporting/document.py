"""Define the parts of a report, independent of its format: sections of text, tables, figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import quote

from pipeline.reporting.charts import Chart
from pipeline.reporting.tables import Table

PAGES = "datasets"
"""Folder, beside ``report.html``, of the pages for a single dataset and model."""


@dataclass(frozen=True)
class Text:
    """A paragraph; words between backticks are code."""

    text: str
    kind: Literal["plain", "notice"] = "plain"


@dataclass(frozen=True)
class Items:
    """A list of short lines."""

    lines: list[str]


@dataclass(frozen=True)
class Facts:
    """Questions, each with its answer; words between backticks are code."""

    lines: list[tuple[str, str]]


@dataclass(frozen=True)
class Picture:
    """A small raster image, such as a confused test image, with its caption."""

    png: bytes
    caption: str


@dataclass(frozen=True)
class Gallery:
    name: str
    title: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Details:
    """A table that is folded on the page, and in Markdown only a link to its CSV file."""

    summary: str
    table: Table


B = TypeVar("B")
Block = Text | Items | Facts | Table | Chart | Gallery | Details


@dataclass(frozen=True)
class Section:
    title: str
    anchor: str
    blocks: list[Block]
    sections: list[Section] = field(default_factory=list)
    own_page: bool = False
    """Whether the section has its own HTML page, which alone draws its charts."""

    @property
    def page(self) -> str:
        """Address of its own HTML page from the report's folder."""
        return f"{PAGES}/{quote(self.anchor)}.html"

    def walk(self) -> Iterator[Block]:
        """Yield every block of this section and of its subsections, and every folded table."""
        for block in self.blocks:
            yield block
            if isinstance(block, Details):
                yield block.table
        for section in self.sections:
            yield from section.walk()


@dataclass(frozen=True)
class Document:
    title: str
    sections: list[Section]

    @property
    def front(self) -> Document:
        """The part on the first page: the sections without a page of their own."""
        return Document(self.title, [each for each in self.sections if not each.own_page])

    def every(self, kind: type[B]) -> Iterator[B]:
        """Yield every block of a kind."""
        for section in self.sections:
            yield from (block for block in section.walk() if isinstance(block, kind))
