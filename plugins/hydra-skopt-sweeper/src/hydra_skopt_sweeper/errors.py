"""Define the error of the sweeper, and the exception by which a task ends its sweep."""

from hydra.errors import CompactHydraException


class SweepError(CompactHydraException):
    """The sweep cannot start, go on, or be called a success; Hydra prints it without traceback."""


class StopSweep(Exception):  # noqa: N818 - no error: the sweep ends well
    """Raised by a task function to end the sweep before its trial, for the reason it gives.

    The trial is not recorded; those before it count as usual.
    """
