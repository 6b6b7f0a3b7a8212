"""Parallel workers on one machine share the sqlite journal and lose nothing."""

import pytest

from tests.support.journal_writers import write_together
from tests.support.small_project import SmallProject


@pytest.mark.slow
def test_eight_processes_log_to_sqlite_at_once(project: SmallProject) -> None:
    write_together(project.folder, project.environment())
