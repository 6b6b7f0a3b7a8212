"""A key names behaviour: the version of code whose digest is verified, else the digest itself."""

import ast
import shutil
from pathlib import Path

import pytest

import pipeline
from pipeline.base.errors import UserError
from pipeline.trials import deciding_code as code
from pipeline.trials.deciding_code import DECIDING, Verified, digest_of_code

ROOT = Path(__file__).parents[2]
PACKAGE = Path(pipeline.__file__).parent


@pytest.fixture
def package(tmp_path):
    """A copy of the deciding modules, listed as verified."""
    for path in {path for pattern in DECIDING for path in PACKAGE.glob(pattern)}:
        target = tmp_path / "pipeline" / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    package = tmp_path / "pipeline"
    Verified(code.TRIAL_VERSION, (named(package),)).write(package)
    forget()
    return package


def forget():
    code.deciding_code.cache_clear()
    code.code_digest.cache_clear()


def named(package):
    """What a process that starts now puts into its keys."""
    forget()
    return code.deciding_code(package)


def reword(package, name="training/parameter_groups.py", old="set it to null", new="make it null"):
    path = package / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_verified_code_is_named_by_its_version(package):
    assert named(package).startswith(f"version {code.TRIAL_VERSION}, first ")
    (package / code._VERIFIED).unlink()
    assert named(package) == code.code_digest(package)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("training/parameter_groups.py", "set it to null", "make it null"),
        ("training/losses.py", "other", "second"),
        ("training/losses.py", "(1 - lam) * other", "(1 + lam) * other"),
    ],
)
def test_a_change_is_named_by_its_digest_until_it_is_listed(package, name, old, new):
    before = named(package)
    reword(package, name, old, new)
    changed = named(package)
    assert changed == code.code_digest(package)
    assert changed != before
    verified = Verified.load(package)
    Verified(verified.version, (*verified.digests, changed)).write(package)
    assert named(package) == before
    reword(package, name, new, old)
    assert named(package) == before


def test_a_moved_module_keeps_the_name_once_it_is_listed(package):
    before = named(package)
    (package / "training" / "losses.py").rename(package / "training" / "loss.py")
    digest = named(package)
    assert digest != before
    verified = Verified.load(package)
    Verified(verified.version, (*verified.digests, digest)).write(package)
    assert named(package) == before


def test_a_raised_version_counts_from_its_own_verification_on(package, monkeypatch):
    before, digest = named(package), code.code_digest(package)
    monkeypatch.setattr(code, "TRIAL_VERSION", code.TRIAL_VERSION + 1)
    assert named(package) == digest
    Verified(code.TRIAL_VERSION, (digest,)).write(package)
    assert named(package) not in (before, digest)


def test_two_branches_that_raise_to_one_version_have_different_names(package):
    reword(package, "training/losses.py", "(1 - lam) * other", "(1 + lam) * other")
    Verified(code.TRIAL_VERSION, (named(package),)).write(package)
    one = named(package)
    reword(package, "training/losses.py", "(1 + lam) * other", "(2 - lam) * other")
    Verified(code.TRIAL_VERSION, (named(package),)).write(package)
    assert named(package) not in (one, code.code_digest(package))


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nversion: 1\n", "version: 1\n", "x", "- 1"])
def test_a_list_with_a_conflict_of_a_merge_is_said_to_be_damaged(package, text):
    (package / code._VERIFIED).write_text(text)
    with pytest.raises(UserError, match=r"verified.yaml is damaged.*make verify-trials"):
        named(package)


CODE = '''
"""Say what it is."""
import math  # for pi

SIZE = 3
"""How large."""


def area(r):
    """Of a circle."""
    return math.pi * r**2


class Empty:
    """Nothing."""
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # for pi", ""),
        ('"""Say what it is."""', '"""Another word.\n\nAnd more."""'),
        ('    """Of a circle."""\n', ""),
        ('"""How large."""\n', ""),
        ('    """Nothing."""', "    pass"),
        ("math.pi * r**2", "(math.pi\n            * r ** 2)  # so"),
    ],
)
def test_comments_docstrings_and_layout_are_no_code(old, new):
    assert old in CODE
    changed = CODE.replace(old, new)
    assert digest_of_code([("m", changed)]) == digest_of_code([("m", CODE)])


@pytest.mark.parametrize(
    ("old", "new"), [("r**2", "r**3"), ("SIZE = 3", "SIZE = 4"), ("area", "a")]
)
def test_code_is_code(old, new):
    assert digest_of_code([("m", CODE.replace(old, new))]) != digest_of_code([("m", CODE)])


def test_a_text_that_is_a_value_is_code():
    one, two = ("def f():\n    return 'a'", "def f():\n    return 'b'")
    assert digest_of_code([("m", one)]) != digest_of_code([("m", two)])


CONNECTING = {
    "trials/run.py": "hands a trial what its key names and keeps what comes back",
    "trials/resources.py": "finds the data and weights whose digests are in the key",
}
"""Modules that are left out, but not what they import."""
LEFT_OUT = {
    "base": "messages, files, locks and the disk; no number passes through but as it is",
    "settings": "every value of a recipe, a model and a point is in the key as it was checked",
    "datasets/contents.py": "used by prepare; the digest of the data covers what it made",
    "datasets/decoding.py": "used by prepare, as above",
    "datasets/tree.py": "used by prepare, as above",
    "datasets/listing.py": "names of splits; used by prepare",
    "datasets/fetching": "brings weights, whose digest is in the key",
    "trials/identity.py": "is the key",
    "trials/contract.py": "the form in which results are kept",
    "trials/curves.py": "shows rows of a curve in MLflow; a replay reads result.json",
    "trials/journal.py": "keeps results",
    "trials/store.py": "keeps results",
    "trials/record_types.py": "the bounds of a stored figure",
    "trials/tables.py": "reads the table of simulated trials, whose digest is in the key",
    "trials/deaths.py": "whether a trial is tried again",
    "trials/interruptions.py": "when a trial stops; what it computed goes on from a checkpoint",
}
"""Modules and folders a trial imports that decide none of its numbers, and why."""


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_module_a_trial_imports_is_in_the_digest_or_left_out_for_a_reason():
    deciding = {path for pattern in DECIDING for path in PACKAGE.glob(pattern)}
    seen, reasons = set(), set()
    waiting = [PACKAGE / name for name in CONNECTING]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file() or not path.is_relative_to(PACKAGE):
            continue
        seen.add(path)
        name = path.relative_to(PACKAGE).as_posix()
        reason = next((each for each in LEFT_OUT if f"{name}/".startswith(f"{each}/")), None)
        if reason is not None:
            reasons.add(reason)
            continue
        assert path in deciding or name in CONNECTING, f"{name}: digest it or say why not"
        waiting += [ROOT / f"{each.replace('.', '/')}.py" for each in imports(path)]
    assert reasons == set(LEFT_OUT), "a reason for what a trial does not import"
    assert deciding - seen == {path for path in deciding if path.name == "__init__.py"}
