"""Fit the temperature that calibrates a network's probabilities."""

import math

from scipy.optimize import brentq
from torch import Tensor

LEAST, MOST = 0.1, 10.0
"""The range of a temperature. Where every answer is right, the best fit would be 0."""


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature T that minimises the cross-entropy of softmax(logits / T).

    Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017) changes no
    answer, only how sure it is. The loss is convex in 1/T: its slope, the mean of the expected
    logit less the right one, has one zero. ``logits`` are [N, K] and ``labels`` [N].
    """
    values = logits.double()
    right = values.gather(1, labels[:, None]).squeeze(1)

    def slope(log_t: float) -> float:
        shares = (values / math.exp(log_t)).softmax(1)
        return float(((shares * values).sum(1) - right).mean())

    low, high = math.log(LEAST), math.log(MOST)
    if slope(low) <= 0:
        return LEAST
    if slope(high) >= 0:
        return MOST
    return math.exp(float(brentq(slope, low, high, xtol=1e-6)))
