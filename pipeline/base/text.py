"""Make untrusted text, such as the name of a file or a class, harmless where it is shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""


def printable(text: object) -> str:
    """Escape what is not printable, line breaks too: one line, harmless to a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text)
    )


def printable_lines(text: object) -> str:
    """Escape like :func:`printable`, but keep the line breaks."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def cell(text: str) -> str:
    """Put an apostrophe before a formula, so that a spreadsheet shows it as text.

    Use it only for untrusted text: a negative number would become text too.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def some(items: Sequence[object], most: int = 10) -> str:
    """List the first ``most`` items, and say how many more there are."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(printable(item) for item in items[:most]) + more


def quoted(names: Iterable[str], most: int = 10) -> str:
    """List the first ``most`` names in quotes, and say how many more there are."""
    return some([repr(name) for name in names], most)


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun: ``1 image``, ``2,000 images``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Write the sentence that names the nearest allowed word, after a space, or nothing."""
    near = difflib.get_close_matches(name, list(allowed), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
