"""Measure how well a model's probabilities tell how often it is right."""

import numpy as np
from scipy.special import softmax

from pipeline.trials.contract import Calibration, Reliability

BINS = 15
"""Of equal width, as in Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""


def calibration(logits: np.ndarray, labels: np.ndarray, temperature: float) -> Calibration:
    """Measure the calibration of logits [N, K] on images with these labels [N]."""
    right = logits.argmax(1) == labels
    bins = reliability(_confidence(logits, temperature), right)
    return Calibration(
        temperature=temperature,
        ece=_error(bins),
        ece_before=_error(reliability(_confidence(logits, 1.0), right)),
        bins=bins,
    )


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[Reliability]:
    """Group images into bins by the probability of their predicted class; omit empty bins.

    ``confidence`` and ``right`` are [N]: the probability, and whether the prediction is right.
    """
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for number in np.unique(place):
        inside = place == number
        bins.append(
            Reliability(
                low=number / BINS,
                high=(number + 1) / BINS,
                images=int(inside.sum()),
                confidence=min(1.0, float(confidence[inside].mean())),
                accuracy=float(right[inside].mean()),
            )
        )
    return bins


def _error(bins: list[Reliability]) -> float:
    apart = sum(each.images * abs(each.accuracy - each.confidence) for each in bins)
    return apart / sum(each.images for each in bins)


def _confidence(logits: np.ndarray, temperature: float) -> np.ndarray:
    largest: np.ndarray = softmax(logits.astype(np.float64) / temperature, axis=1).max(1)
    return largest
