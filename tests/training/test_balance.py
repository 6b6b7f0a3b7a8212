import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.balance import class_weights, image_chances, share_of

LABELS = st.lists(st.integers(0, 6), min_size=2, max_size=60).map(np.array)


@given(LABELS)
def test_every_class_with_images_has_the_same_weight_in_sum_and_an_image_weighs_one(labels):
    weights = class_weights(labels, 8)
    present = np.unique(labels)
    sums = np.bincount(labels, weights[labels], minlength=8)
    np.testing.assert_allclose(sums[present], len(labels) / len(present))
    np.testing.assert_allclose(weights[labels].mean(), 1)
    assert not weights[np.setdiff1d(np.arange(8), present)].any()


@given(LABELS)
def test_every_class_with_images_is_equally_likely_to_be_drawn(labels):
    chances = image_chances(labels)
    np.testing.assert_allclose(chances.sum(), 1)
    by_class = np.bincount(labels, chances)[np.unique(labels)]
    np.testing.assert_allclose(by_class, 1 / len(by_class))


@given(LABELS, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_share_has_every_class_and_is_part_of_a_larger_share(labels, one, other):
    rows = np.arange(len(labels)) * 3
    small, large = (set(share_of(rows, labels, share)) for share in sorted((one, other)))
    assert small <= large <= set(rows)
    for label in np.unique(labels):
        of_class = set(rows[labels == label])
        assert len(small & of_class) == max(1, round(min(one, other) * len(of_class)))


@given(LABELS)
def test_the_whole_is_every_row_in_order(labels):
    assert share_of(np.arange(len(labels)), labels, 1.0).tolist() == list(range(len(labels)))
