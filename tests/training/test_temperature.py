"""The temperature: the best fit, and within bounds where there is none."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from pipeline.training.temperature import LEAST, MOST, fit_temperature


@given(st.floats(0.25, 4), st.integers(0, 9))
def test_finds_the_temperature_that_the_labels_were_drawn_with(true, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4000, 5, generator=generator)
    labels = torch.multinomial((logits / true).softmax(1), 1, generator=generator)[:, 0]
    fitted = fit_temperature(logits, labels)
    assert math.log(fitted) == pytest.approx(math.log(true), abs=0.2)

    def loss(temperature: float) -> float:
        return float(cross_entropy(logits.double() / temperature, labels))

    assert loss(fitted) <= min(loss(1.0), loss(fitted * 1.01), loss(fitted / 1.01)) + 1e-9


def test_stays_within_bounds():
    logits, labels = 5 * torch.eye(4), torch.arange(4)
    assert fit_temperature(logits, labels) == LEAST
    assert fit_temperature(logits, labels.flip(0)) == MOST
    assert fit_temperature(torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)) in (LEAST, MOST)
