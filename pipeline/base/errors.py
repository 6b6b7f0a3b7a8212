"""Define the error for mistakes that a person can correct."""


class UserError(Exception):
    """A mistake that a person can correct; shown as one message, without a traceback."""
