"""The error that says what a person can mend."""

from __future__ import annotations


class UserError(Exception):
    """A mistake a person can mend: shown as one message, without a traceback."""
