"""The commands of make."""

import re
import shutil
import subprocess

import pytest

from tests.support.stages import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def test_help_lists_every_command() -> None:
    targets = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make (\S+) +\S", done.stdout, re.MULTILINE)
    assert listed == targets


def test_what_runs_before_a_change_is_merged_leaves_no_suite_out() -> None:
    """Every marker that the default tests exclude is in the queue of `make test-long`."""
    options = (ROOT / "pyproject.toml").read_text()
    [excluded] = re.findall(r"-m '(not .+?)'", options)
    queue = subprocess.run(
        ["make", "-n", "test-long"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    [chosen] = re.findall(r'-m "(.+?)"', queue.stdout)
    assert set(excluded.removeprefix("not ").split(" and not ")) == set(chosen.split(" or "))
    script = (ROOT / ".ci" / "run").read_text()
    [elsewhere] = re.findall(r"--ignore (\S+)", queue.stdout)
    assert all(part in script for part in ("make test\n", "make test-long\n", elsewhere))
