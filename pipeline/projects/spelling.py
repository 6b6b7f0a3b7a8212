"""Spell a project's options as the command that was typed takes them."""

from collections.abc import Callable

Spelling = Callable[[str, str], str]
"""Returns the text that gives an option, such as ``name``, a value."""


def as_option(name: str, value: str) -> str:
    """Spell an option of `vdtransfer init` and `vdtransfer tune`."""
    return f"--{name} {value}"


def as_variable(name: str, value: str) -> str:
    """Spell a variable of `make tune`."""
    return f"{name.upper()}={value}"
