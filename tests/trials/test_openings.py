"""How often a test split was opened: over recipes, strategies and pipelines, each training once."""

from pathlib import Path

import pytest

from pipeline.trials.openings import Opening, add_openings, count, listed


def opening(key, digest="d1", **changes):
    values = {"pipeline": "p", "protocol": "heldout", "recipe": "r", "model": "m"}
    values |= {"strategy": "grid", "seed": 0} | changes
    return Opening(data_digest=digest, key=key, **values)


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def cell(root, strategy="grid"):
    folder = Path(root) / "results" / "data" / "model" / strategy
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def add(root, *openings, strategy="grid"):
    return add_openings(Path(root), cell(root, strategy), openings)


def test_trainings_under_an_earlier_recipe_stay_counted():
    assert count(add(".", opening("k1"), opening("k2")), "d1") == 2
    after = add(".", opening("k3", recipe="other"), opening("k4", recipe="other"))
    assert count(after, "d1") == 4
    assert {each.recipe for each in listed(cell("."))} == {"r", "other"}


def test_a_training_that_two_strategies_share_counts_once():
    add(".", opening("k1"))
    assert count(add(".", opening("k1"), opening("k2"), strategy="bayes"), "d1") == 2


def test_other_pipelines_on_the_same_data_count_and_other_data_does_not():
    add("projects/mine", opening("k1"))
    add("quickstart", opening("k2"), opening("k9", digest="d2"))
    assert count(add(".", opening("k3")), "d1") == 3
    assert {each.key for each in listed(cell("."))} == {"k1", "k2", "k3"}


def test_the_same_evaluation_again_writes_the_same_bytes():
    add(".", opening("k2"), opening("k1"))
    before = (cell(".") / "openings.csv").read_bytes()
    add(".", opening("k1"), opening("k2"))
    assert (cell(".") / "openings.csv").read_bytes() == before
