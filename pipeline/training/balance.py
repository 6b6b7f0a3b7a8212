"""Choose and weigh training images by class: weights, chances of being drawn, shares."""

import numpy as np
from numpy.typing import NDArray

from pipeline.training.random_streams import generator

Floats = NDArray[np.float64]


def class_weights(labels: NDArray[np.int64], classes: int) -> Floats:
    """Return the weight of each class in the loss, [classes], for int64 labels [N].

    A class weighs N / (K n), with n images of its own among K classes that have images, as
    scikit-learn's "balanced". So the mean weight of an image is 1, and the learning rate keeps its
    meaning. A class without images weighs 0.
    """
    images = np.bincount(labels, minlength=classes)
    weights = np.zeros(classes)
    present = images > 0
    weights[present] = len(labels) / (present.sum() * images[present])
    return weights


def image_chances(labels: NDArray[np.int64]) -> Floats:
    """Return each image's chance of being drawn, [N], that makes all classes equally likely."""
    weights = class_weights(labels, int(labels.max()) + 1)[labels]
    chances: Floats = weights / weights.sum()
    return chances


def share_of(rows: NDArray[np.int64], labels: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return a share of each class's rows, at least one row, in their order; labels are [N].

    It depends on no seed, and a smaller share is part of a larger one.
    """
    kept = []
    for label in np.unique(labels):
        of_class = generator("share", int(label)).permutation(rows[labels == label])
        kept.append(of_class[: max(1, round(share * len(of_class)))])
    return np.sort(np.concatenate(kept))
