"""What the pages tell a reader to type or to open exists."""

import json
import re
import subprocess
import sys
from contextlib import nullcontext

import pytest

from pipeline.__main__ import commands as programs
from pipeline.base.errors import UserError
from pipeline.settings.compose import compose_for_sweep
from tests.support.documented import anchors, commands, pages, prose
from tests.support.stages import ROOT

DOCUMENTED = [(page, words) for page in pages() for words in commands(page)]
PROGRAM = ("vdtransfer", "./vdtransfer")
BENCHMARKS = ROOT / "benchmarks"
PARSE_ALL = f"""
import argparse, contextlib, io, json, runpy, sys
from pathlib import Path

from pipeline import __main__ as program

sys.path.insert(0, "{BENCHMARKS}")  # as Python does for a script there
parse = argparse.ArgumentParser.parse_args

def only_parse(*arguments):
    parse(*arguments)
    raise SystemExit(0)

argparse.ArgumentParser.parse_args = only_parse
for name, *arguments in json.load(sys.stdin):
    sys.argv = [name, *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        try:
            runpy.run_path(name, run_name="__main__") if ".py" in name else program.main()
        except SystemExit as end:
            assert end.code == 0, sys.argv
    if arguments == ["--help"] and ".py" in name:
        assert f"usage: {{Path(name).name}}" in shown.getvalue(), name
assert "benchmarks" not in sys.modules, "found beside the scripts only when the root is on the path"
"""


@pytest.mark.slow
def test_every_script_answers_help_and_takes_the_documented_arguments(tmp_path):
    """From any folder, and without the root on the path, as in a checkout of one's own."""
    scripts = [each for each in BENCHMARKS.glob("*.py") if "__main__" in each.read_text()]
    asked = [[str(script), "--help"] for script in sorted(scripts)]
    for _, words in DOCUMENTED:
        program, *rest = words
        if program == "python" and rest and rest[0].startswith("benchmarks/"):
            asked.append([str(ROOT / rest[0]), *rest[1:]])
        elif program in PROGRAM and len(rest) > 1 and rest[0] in programs():
            asked.append(["vdtransfer", *rest])
    text = json.dumps(asked)
    subprocess.run(
        [sys.executable, "-c", PARSE_ALL], input=text, cwd=tmp_path, text=True, check=True
    )


def test_documented_overrides_are_in_the_schema():
    for page, words in DOCUMENTED:
        overrides = [word for word in words if "=" in word and "$" not in word]
        needs_more = page.name == "extending.md" or any(word.startswith("path/") for word in words)
        if words[0] not in PROGRAM or not overrides or needs_more:
            continue
        folder = ROOT / ("quickstart" if "--config-path" in words else ".")
        overrides = [each for each in overrides if not each.startswith("hydra")]
        mistake = "strategy=bayez" in overrides
        with pytest.raises(UserError, match="Did you mean") if mistake else nullcontext():
            compose_for_sweep(folder, overrides)


def test_documented_targets_and_modules_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE))
    for page, words in DOCUMENTED:
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, (page, words)
        if words[:2] == ["python", "-m"] and words[2].startswith(("pipeline.", "tests.")):
            module = ROOT / words[2].replace(".", "/")
            assert module.name.isupper() or module.with_suffix(".py").exists(), (page, words)
        if words[0] == "pytest":
            tests = [word for word in words if word.startswith("tests/")]
            assert all((ROOT / test).exists() for test in tests), (page, words)


def test_links_lead_somewhere():
    for page in pages():
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if ":" in link:
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), (page, link)
            assert not anchor or anchor in anchors(target), (page, link)
