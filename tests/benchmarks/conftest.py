"""The small finished grid that tests of the search package use."""

from tests.search.conftest import table

__all__ = ["table"]
