"""The table that tests of searches share."""

from tests.support.finished_grid import table

__all__ = ["table"]
