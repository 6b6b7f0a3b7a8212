"""Spell a project's options as the command that was typed takes them."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.settings.folders import PROGRAM

Spelling = Callable[[str, str], str]
"""Returns the text that gives an option, such as ``name``, a value."""


def as_option(name: str, value: str) -> str:
    """Spell an option of `vdtransfer init`."""
    return f"--{name} {value}"


def as_variable(name: str, value: str) -> str:
    """Spell a variable of `make tune`."""
    return f"{name.upper()}={value}"


def by_init(name: str, value: str) -> str:
    """Spell the command that takes the option; `vdtransfer tune IMAGES` itself takes none."""
    return f"`{PROGRAM} init IMAGES {as_option(name, value)}`"
