"""Balance classes of different size: weights of the loss, chances of being drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
