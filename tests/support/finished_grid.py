"""A small finished grid to search."""

import itertools

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table() -> pd.DataFrame:
    """7 x 3 x 2 x 2 points in the order of a shuffled table; best is lr 0.01, decay 1e-4."""
    points = list(
        itertools.product(
            [0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001],
            [1e-3, 1e-4, 1e-5],
            [False, True],
            [False, True],
        )
    )
    rows = [
        {
            "lr": lr,
            "l2_decay": decay,
            "label_smoothing": smoothing,
            "mixup": mixup,
            "objective": 0.9
            - 0.05 * (np.log10(lr) + 2) ** 2
            - 0.01 * abs(np.log10(decay) + 4)
            - 0.004 * smoothing
            - 0.002 * mixup,
        }
        for lr, decay, smoothing, mixup in points
    ]
    shuffled = np.random.default_rng(0).permutation(len(rows))
    made = pd.DataFrame([rows[i] for i in shuffled])
    made["test"] = made.objective - 0.1
    return made
