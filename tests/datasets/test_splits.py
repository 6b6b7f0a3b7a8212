"""Splits over all kinds of class sizes: complete, stratified, pinned, independent of order."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.datasets import splits
from pipeline.datasets.listing import Entry, Listing

SIZES = st.lists(st.integers(3, 60), min_size=1, max_size=12)
FRACTIONS = st.floats(0.05, 0.6)


def listing(sizes, split=None):
    names = [f"class {label}" for label in range(len(sizes))]
    entries = [
        Entry(f"{name}/{number}.jpg", label, split, Path("nowhere"))
        for label, (name, size) in enumerate(zip(names, sizes, strict=True))
        for number in range(size)
    ]
    return Listing(names, entries)


def complete(listing, val=0.2, test=0.2, seed=0):
    return splits.complete(listing, val_fraction=val, test_fraction=test, seed=seed)


def sizes_of(entries, split):
    counted = Counter(entry.label for entry in entries if entry.split == split)
    return {label: counted[label] for label in {entry.label for entry in entries}}


@given(SIZES, FRACTIONS, FRACTIONS, st.integers(0, 5))
def test_every_class_in_every_split_and_no_image_in_two(sizes, val, test, seed):
    before = listing(sizes)
    after = complete(before, val, test, seed)
    assert sorted(e.path for e in after) == sorted(e.path for e in before.entries)
    for split in ("train", "val", "test"):
        assert min(sizes_of(after, split).values()) >= 1


@given(SIZES, FRACTIONS, st.integers(0, 5))
def test_each_class_is_within_one_of_the_asked_fraction(sizes, fraction, seed):
    after = complete(listing(sizes), 0.2, fraction, seed)
    for label, held in sizes_of(after, "test").items():
        assert abs(held - fraction * sizes[label]) <= 1


@given(st.lists(st.integers(20, 90), min_size=1, max_size=12), st.floats(0.1, 0.6))
def test_the_whole_is_within_one_of_the_asked_fraction(sizes, fraction):
    held = sum(sizes_of(complete(listing(sizes), 0.2, fraction), "test").values())
    assert abs(held - fraction * sum(sizes)) <= 1


@settings(max_examples=30)
@given(SIZES, st.randoms(use_true_random=False))
def test_order_of_the_listing_does_not_matter(sizes, random):
    before = listing(sizes)
    shuffled = list(before.entries)
    random.shuffle(shuffled)
    one = {e.path: e.split for e in complete(before)}
    other = {e.path: e.split for e in complete(Listing(before.class_names, shuffled))}
    assert one == other


def test_splits_are_pinned():
    """These very names: another choice would make every figure published so far another one's."""
    entries = complete(listing([5, 5]))
    assert [e.path for e in entries if e.split == "test"] == ["class 0/1.jpg", "class 1/0.jpg"]
    assert [e.path for e in entries if e.split == "val"] == ["class 0/4.jpg", "class 1/3.jpg"]


def test_another_seed_is_another_split():
    before = listing([30, 30])
    assert complete(before, seed=0) != complete(before, seed=1)


def test_given_splits_are_kept():
    given_splits = listing([10, 10], split="train").entries + [
        Entry(f"extra/{label}{split}.jpg", label, split, Path("nowhere"))
        for label in (0, 1)
        for split in ("val", "test")
    ]
    assert complete(Listing(["a", "b"], given_splits)) == given_splits


def test_only_validation_is_cut_where_there_is_a_test_list():
    entries = listing([10, 10], split="train").entries
    entries += [Entry(f"t{label}.jpg", label, "test", Path("x")) for label in (0, 1)]
    after = complete(Listing(["a", "b"], entries))
    assert sizes_of(after, "test") == {0: 1, 1: 1}
    assert sizes_of(after, "val") == {0: 2, 1: 2}


def test_repeated_lines_of_one_image_stay_together():
    before = listing([10, 10])
    doubled = Listing(before.class_names, before.entries * 2)
    after = complete(doubled)
    assert len(after) == len({e.path for e in after}) == 20


def test_classes_too_small_to_split_are_named():
    with pytest.raises(UserError, match=r"needs 3 .*'class 1' \(2\)"):
        complete(listing([9, 2, 3]))


def under_two_labels():
    """Two classes of 9 images, and one of 3; 2 images of it are also in the first class."""
    before = listing([9, 3, 9])
    same = {}
    for number in range(2):
        same |= {f"class {label}/{number}.jpg": f"class 0/{number}.jpg" for label in (0, 1)}
    return before, same


@pytest.mark.parametrize("least", [1, 3])
def test_a_class_is_left_out_by_the_same_count_by_which_it_is_refused(least):
    before, same = under_two_labels()
    asked = {"val_fraction": 0.2, "test_fraction": 0.2, "seed": 0, "same": same}
    with pytest.raises(UserError, match=r"'class 1' \(2 in 3 files\).*min_class_images=3"):
        splits.complete(before, **asked)
    after, rare = splits.without_rare(before, least, 2, same)
    assert rare == {"class 1": 2}
    assert {entry.label for entry in splits.complete(after, **asked)} == {0, 1}


@pytest.mark.parametrize(
    ("sizes", "least", "said"),
    [
        ([9, 7, 5], 8, "leaves 1 of 3 classes; .*largest has 9 images. Set it to 7 or less"),
        ([9, 7, 5], 100, "leaves 0 of 3 classes; .*Set it to 7 or less"),
        ([9, 2, 2], 1, "leaves 1 of 3 classes; .*Each needs 3 different images"),
        ([9, 2, 2], 8, "leaves 1 of 3 classes; .*Each needs 3 different images"),
        ([1, 1], 2, "leaves 0 of 2 classes; .*largest has 1 image. Each needs 3"),
    ],
)
def test_a_number_that_leaves_no_two_classes_is_refused(sizes, least, said):
    with pytest.raises(UserError, match=f"dataset.min_class_images: found {least}, which {said}"):
        splits.without_rare(listing(sizes), least, 2)


def test_without_a_number_no_class_is_left_out():
    before, same = under_two_labels()
    assert splits.without_rare(before, None, 2, same) == (before, {})


@given(SIZES, st.data())
def test_a_limit_is_exact_and_keeps_every_class(sizes, data):
    entries = complete(listing(sizes))
    there = sizes_of(entries, "train")
    images = data.draw(st.integers(len(there), sum(there.values())))
    after = splits.limit(entries, "train", images, seed=0)
    kept = sizes_of(after, "train")
    assert sum(kept.values()) == images
    assert min(kept.values()) >= 1
    assert [e for e in after if e.split != "train"] == [e for e in entries if e.split != "train"]


@settings(max_examples=50)
@given(st.lists(st.integers(20, 60), min_size=2, max_size=8))
def test_a_limit_is_stratified(sizes):
    entries = complete(listing(sizes))
    there = sizes_of(entries, "train")
    half = sum(there.values()) // 2
    kept = sizes_of(splits.limit(entries, "train", half, seed=0), "train")
    for label, size in there.items():
        assert abs(kept[label] - half * size / sum(there.values())) <= 1


def test_a_limit_below_one_image_for_each_class_is_refused():
    with pytest.raises(UserError, match="max_train_images=2"):
        splits.limit(complete(listing([9, 9, 9])), "train", 2, seed=0)


def test_no_limit_keeps_all():
    entries = complete(listing([9, 9]))
    assert splits.limit(entries, "val", None, seed=0) == entries
    assert splits.limit(entries, "val", 10**6, seed=0) == entries
