"""What the project's pages tell a reader to type."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.support.stages import ROOT

_FOLDERS = (".", "docs", "docs/decisions", "benchmarks", "data", "published", "plugins/*")
_FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n)+", re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
_ENDS = re.compile(r"&&|[;|>]|&$")


def pages() -> list[Path]:
    """Return the pages that a reader may follow: all but the changelogs."""
    every = [page for folder in _FOLDERS for page in sorted(ROOT.glob(f"{folder}/*.md"))]
    return [page for page in every if page.name != "CHANGELOG.md"]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCED.sub("", page.read_text())


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command in the page's code; other lines of code come out too."""
    text = prose(page)
    spans = [span.replace("\n", " ") for span in _SPAN.findall(text)]
    for code in [*_FENCED.findall(page.read_text()), *_INDENTED.findall(text), *spans]:
        for line in code.replace("\\\n", " ").splitlines():
            for part in _ENDS.split(line.strip().removeprefix("$ ")):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:  # an apostrophe: a sentence
                    continue
                while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                    words.pop(0)
                if words:
                    yield words


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings in links."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
