"""`make verify-trials` tells a change of the numbers from a change of the words."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.trials.deciding_code import TRIAL_VERSION, Verified, code_digest
from tests.golden import verify_trials
from tests.golden.cases import resolved
from tests.golden.record import TOLERANCE, Place, Record, difference
from tests.support.mutants import mutated
from tests.support.mutations import DEFAULTS, MUTATIONS, REWORDED

ROOT = Path(__file__).parents[2]


MUTANTS = {**MUTATIONS, **DEFAULTS, **REWORDED}


@pytest.mark.parametrize("name", [name for name, (_, old, _) in MUTANTS.items() if old])
def test_the_code_has_what_a_mutant_replaces(name):
    mutated(*MUTANTS[name])


def test_mutants_have_names_of_their_own():
    assert len(MUTANTS) == len(MUTATIONS) + len(DEFAULTS) + len(REWORDED)


@pytest.fixture(scope="module")
def answers():
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.mutants"],
        input=json.dumps(list(MUTANTS.values())),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(zip(MUTANTS, json.loads(done.stdout), strict=True))


@pytest.mark.slow
def test_the_committed_code_is_verified(answers):
    """Where this fails: `make verify-trials`."""
    assert answers["nothing"] == [0, ""]


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_number_is_noticed(answers, name):
    code, output = answers[name]
    assert code == 1, output
    assert "relative difference" in output


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFAULTS)
def test_a_changed_default_is_noticed_and_needs_no_new_version(answers, name):
    code, output = answers[name]
    assert code == 1
    assert f"recipe.{name} is " in output
    assert "relative difference" not in output


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(REWORDED) - {"nothing"}))
def test_another_wording_is_only_to_be_listed(answers, name):
    code, output = answers[name]
    assert (code, output) == (1, "there is something to record: run make verify-trials\n")


@pytest.mark.parametrize(
    ("recorded", "computed", "agree", "exactly"),
    [
        ({"a": [1.0, 2]}, {"a": [1.0, 2]}, True, True),
        ({"a": 1.0}, {"a": 1.0 + 1e-6}, True, False),
        ({"a": [5.0, 1e-9]}, {"a": [5.0, 2e-9]}, True, False),  # nothing beside the largest
        ({"a": 1.0}, {"a": 1.0 + 1e-4}, False, False),
        ({"a": 3}, {"a": 4}, False, False),
        ({"a": None}, {"a": 1.0}, False, False),
        ({"a": [1.0]}, {"a": [1.0, 1.0]}, False, False),
        ({"a": 1.0}, {"b": 1.0}, False, False),
        ({"a": 1.0}, {"a": float("nan")}, False, False),
    ],
)
def test_numbers_agree_exactly_or_to_rounding(recorded, computed, agree, exactly):
    assert (difference(recorded, computed, TOLERANCE) is None) == agree
    assert (difference(recorded, computed, 0) is None) == exactly


class Verification:
    """Runs the command with a record and a list in memory and without any training."""

    def __init__(self, monkeypatch):
        self.computed = {"loss": 1.5}
        cases = {"plain": resolved()["plain"]}
        self.record = Record(Place.here(), cases, {"plain": {"loss": 1.5}})
        self.verified = Verified(TRIAL_VERSION, (code_digest(),))
        self.wrote = []
        monkeypatch.setattr(verify_trials, "_numbers", lambda *_: self.computed)
        monkeypatch.setattr(verify_trials, "resolved", lambda: cases)
        monkeypatch.setattr(verify_trials, "LAYOUTS", ())
        for kind, name in ((Record, "record"), (Verified, "verified")):
            monkeypatch.setattr(kind, "load", classmethod(lambda _, n=name: getattr(self, n)))
            monkeypatch.setattr(kind, "write", lambda each: self.wrote.append(each))

    def run(self, *arguments):
        return verify_trials.main(list(arguments))


@pytest.fixture
def verification(monkeypatch):
    return Verification(monkeypatch)


def test_verified_code_is_left_alone(verification):
    assert verification.run() == 0
    assert verification.wrote == []


def test_equal_numbers_list_the_digest_beside_the_older_ones(verification):
    verification.verified = Verified(TRIAL_VERSION, ("older",))
    assert verification.run("--check") == 1
    assert verification.wrote == []
    assert verification.run() == 0
    assert verification.wrote == [Verified(TRIAL_VERSION, ("older", code_digest()))]


def test_other_numbers_ask_for_a_new_version_and_write_nothing(verification, capsys):
    verification.verified = Verified(TRIAL_VERSION, ("older",))
    verification.computed = {"loss": 1.6}
    assert verification.run() == 1
    assert verification.wrote == []
    assert "raise TRIAL_VERSION" in capsys.readouterr().err


def test_a_raised_version_records_the_new_numbers(verification):
    verification.verified = Verified(TRIAL_VERSION - 1, ("older",))
    verification.computed = {"loss": 1.6}
    assert verification.run() == 0
    record, verified = verification.wrote
    assert record.numbers == {"plain": {"loss": 1.6}}
    assert verified == Verified(TRIAL_VERSION, (code_digest(),))


def test_other_numbers_of_the_same_code_come_from_a_module_outside_the_digest(verification, capsys):
    verification.computed = {"loss": 1.6}
    assert verification.run() == 1
    assert "is not in DECIDING" in capsys.readouterr().err


def test_new_packages_are_recorded_for_verified_code_and_refused_for_other(verification, capsys):
    older = replace(Place.here(), versions={"torch": "1.0"})
    verification.record = replace(verification.record, place=older)
    verification.computed = {"loss": 1.6}
    assert verification.run() == 0
    assert [type(each) for each in verification.wrote] == [Record]
    verification.verified = Verified(TRIAL_VERSION, ("older",))
    assert verification.run() == 1
    assert "Install these" in capsys.readouterr().err


def test_another_processor_may_round_otherwise_and_does_not_replace_the_record(verification):
    elsewhere = replace(Place.here(), processor="another")
    verification.record = replace(verification.record, place=elsewhere)
    verification.computed = {"loss": 1.5 + 1e-6}
    assert verification.run() == 0
    assert verification.wrote == []
