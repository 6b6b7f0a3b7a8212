"""The one error of the sweeper."""

from hydra.errors import CompactHydraException


class SweepError(CompactHydraException):
    """The sweep cannot start, go on, or be called a success; Hydra prints it without traceback."""
