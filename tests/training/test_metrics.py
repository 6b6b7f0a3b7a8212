import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    top_k_accuracy_score,
)

from pipeline.training.metrics import measure


def hits(*batches):
    """Logits and labels of two classes with (right, all) images in each batch in turn."""
    right = [i < good for good, size in batches for i in range(size)]
    labels = torch.zeros(len(right), dtype=torch.int64)
    return torch.tensor([[1.0, 0.0] if r else [0.0, 1.0] for r in right]), labels


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(6, 12), st.integers(1, 100))
def test_the_figures_are_scikit_learns(seed, classes, extra):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, extra)])
    logits = rng.normal(size=(len(labels), classes)).astype(np.float32)
    found = measure(torch.from_numpy(logits), torch.from_numpy(labels))
    predicted = logits.argmax(1)
    probabilities = torch.from_numpy(logits).double().softmax(1).numpy()
    names = np.arange(classes)
    assert found.top1 == pytest.approx(accuracy_score(labels, predicted))
    assert found.top5 == pytest.approx(top_k_accuracy_score(labels, logits, k=5, labels=names))
    assert found.mean_class == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found.loss == pytest.approx(log_loss(labels, probabilities, labels=names), rel=1e-6)
    expected = confusion_matrix(labels, predicted, labels=names)
    assert found.confusion == expected.tolist()
    assert found.per_class == pytest.approx((expected.diagonal() / expected.sum(1)).tolist())


@pytest.mark.parametrize(
    ("batches", "published"),
    [
        ([(29, 32), (28, 32), (11, 14)], 0.8557),
        ([(31, 32), (30, 32), (14, 14)], 0.9688),
        ([(31, 32), (31, 32), (11, 14)], 0.9077),
        ([(31, 32), (31, 32), (14, 14)], 0.9792),
    ],
)
def test_paddle_batch_mean_counts_the_short_last_batch_in_full(batches, published):
    """The chair set of the second table: 78 images, in batches of 32, 32 and 14."""
    found = measure(*hits(*batches))
    assert round(found.paddle_batch_mean, 4) == published
    assert found.top1 == pytest.approx(sum(good for good, _ in batches) / 78)
    assert round(found.top1, 4) != published


def test_paddle_batch_mean_is_plain_top1_on_full_batches():
    found = measure(*hits((30, 32), (17, 32)))
    assert found.paddle_batch_mean == pytest.approx(found.top1)


def test_a_class_without_images_does_not_count():
    logits = torch.eye(3)[torch.tensor([0, 0, 1, 2])]
    found = measure(logits, torch.tensor([0, 0, 1, 1]))
    assert found.per_class == [1.0, 0.5, 0.0]
    assert found.mean_class == 0.75


def test_top5_of_few_classes_is_everything():
    assert measure(*hits((1, 4))).top5 == 1.0


def test_a_loss_that_is_no_number_shows():
    logits, labels = hits((2, 3))
    logits[0, 0] = math.nan
    assert math.isnan(measure(logits, labels).loss)
