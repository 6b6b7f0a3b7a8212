"""Compute what a search maximises from the metrics of a split. Does not import torch."""

import math
from collections.abc import Mapping

from pipeline.settings.schema import Objective


def objective_of(name: Objective, metrics: Mapping[str, float]) -> float:
    """Return the objective of a trial from its metrics: from 0 to 1, larger is better.

    ``loss`` is turned into exp(-loss), the geometric mean of the probabilities that the true
    classes got. Its largest value is at the smallest loss, and a diverged trial has 0 under every
    objective.
    """
    return math.exp(-metrics["loss"]) if name == "loss" else float(metrics[name])
