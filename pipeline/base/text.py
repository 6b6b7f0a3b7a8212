"""Make untrusted text, such as the name of a file or a class, harmless where it is shown."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_RAISED = re.compile(r"[\w.]+(Error|Exception|Interrupt|Exit|Killed)\b")
"""The line of a traceback that names what was raised."""
_TRACE = ("Traceback (most", 'File "', "ray::")
"""Beginnings of lines by which a traceback is known; Ray leaves out the first one."""


def printable(text: object) -> str:
    """Escape what is not printable, line breaks too: one line, harmless to a terminal.

    Blanks of any width stay, as do the joiners that Persian, Hindi and emoji are written with.
    """
    return "".join(
        each if _is_shown(each) else each.encode("unicode_escape").decode() for each in str(text)
    )


def _is_shown(character: str) -> bool:
    joins = character in "\u200c\u200d"
    return character.isprintable() or joins or unicodedata.category(character) == "Zs"


def encodable(name: str) -> str:
    """Escape the bytes of a file's name that are not UTF-8, so that it can be written to a file."""
    return name.encode(errors="backslashreplace").decode()


def printable_lines(text: object) -> str:
    """Escape like :func:`printable`, but keep the line breaks."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def gist(error: object, most: int = 400) -> str:
    """Say on one line what the error of another program means: its cause and its words.

    Of a Python traceback only the last line counts, which names the error; colours are removed.
    """
    lines = [line.strip() for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
    if any(line.startswith(_TRACE) for line in lines):
        raised = [line for line in lines if _RAISED.match(line)]
        lines = raised[-1:] or lines
    text = " ".join(" ".join(lines).split()) or type(error).__name__
    return printable(text if len(text) <= most else f"{text[:most]} ...")


def markdown(text: str) -> str:
    """Put text on one line and escape it, so that no character is special in Markdown."""
    escaped = re.sub(r"([\\`*\[\]<>|~$])", r"\\\1", printable(" ".join(text.split())))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", escaped)


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


def among(name: str, allowed: Sequence[str]) -> str:
    """Write, after a space, the nearest allowed word, if one is near, and the list of all."""
    return f"{did_you_mean(name, allowed)} Allowed: {', '.join(allowed) or 'none'}"


def duration(seconds: float) -> str:
    """Write a time in the largest unit that gives at least 2: ``90 s``, ``2.5 hours``."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s"
