"""Reliability and the expected calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deployment.calibration import BINS, calibration, reliability


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_every_image_is_in_the_bin_of_its_probability(images):
    confidence, right = (np.array(column) for column in zip(*images, strict=True))
    bins = reliability(confidence, right)
    assert sum(each.images for each in bins) == len(images)
    assert sum(each.images * each.accuracy for each in bins) == pytest.approx(right.sum())
    for each in bins:
        assert each.low - 1e-9 <= each.confidence <= each.high + 1e-9
        assert each.high - each.low == pytest.approx(1 / BINS)


def test_the_error_is_the_gap_between_how_sure_and_how_right():
    logits = np.log(np.array([[0.9, 0.1]] * 10))  # sure of 0.9, right in 6 of 10
    labels = np.array([0] * 6 + [1] * 4)
    measured = calibration(logits, labels, temperature=1.0)
    assert measured.ece == measured.ece_before == pytest.approx(0.3)
    odds = np.log(9) / np.log(1.5)  # at this temperature it says 0.6
    better = calibration(logits, labels, temperature=odds)
    assert (better.ece, better.ece_before) == (pytest.approx(0, abs=1e-9), pytest.approx(0.3))
    (only,) = better.bins
    assert (only.images, only.accuracy) == (10, 0.6)
