"""Rules for the final point, judged by trainings under other seeds."""

import numpy as np
import pandas as pd
import pytest

from final_point import RULES, Refits, Search, searches

POINTS, SEEDS = 6, 5


def refits(noise: float) -> Refits:
    rng = np.random.default_rng(0)
    truth = np.linspace(60, 80, POINTS)[:, None]
    val, test = (truth + noise * rng.normal(size=(POINTS, SEEDS)) for _ in range(2))
    return Refits(val, test, pd.DataFrame(), np.linspace(0, 1, POINTS)[:, None])


@pytest.mark.parametrize("rule", RULES)
def test_without_noise_every_rule_takes_the_best_point_tried(rule: str) -> None:
    for search in searches(refits(0.0))[:20]:
        chosen = RULES[rule](search, POINTS)
        tried = POINTS - {"repeat the best two": 2, "repeat the best three": 3}.get(rule, 0)
        assert search.order[chosen] == search.order[:tried].max()


def test_a_choice_is_judged_under_seeds_that_it_has_not_seen() -> None:
    seeds = np.tile(np.arange(SEEDS), (POINTS, 1))
    lucky = refits(0.0)
    lucky.test[0, :2] = 100.0
    search = Search(lucky, np.arange(POINTS), seeds)
    assert search.loss(0) == pytest.approx(20.0)
    assert search.loss(POINTS - 1) == 0.0
