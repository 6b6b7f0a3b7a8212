"""Searches that pause trainings, replayed on recorded curves."""

import numpy as np
import pandas as pd
import pytest
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hydra_skopt_sweeper.start import build_engine

from pausing import METHODS, Trainings, first_at, losses
from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import BAYES, gaps, run, space, trace

LENGTH = 8
START = (1, 0, 0, 0)


@pytest.fixture(scope="module")
def grid() -> FinishedGrid:
    axes = [[0.1, 0.01, 0.001], [1e-3, 1e-4, 1e-5], [True, False], [True, False]]
    table = pd.MultiIndex.from_product(
        axes, names=["lr", "l2_decay", "label_smoothing", "mixup"]
    ).to_frame(index=False)
    rng = np.random.default_rng(0)
    return FinishedGrid.from_table(table.assign(objective=rng.random(36), test=rng.random(36)))


@pytest.fixture(scope="module")
def curves(grid: FinishedGrid):
    rise = np.linspace(0.3, 1, LENGTH)
    return {point: 100 * rise * grid.objective[point] for point in np.ndindex(3, 3, 2, 2)}


def test_whole_trainings_are_the_search_itself(grid, curves) -> None:
    def search(grid, objective, n_trials, seed) -> None:
        run(build_engine(SkoptSweeperConf(**BAYES), space(grid), [START]), objective, n_trials)

    loss = losses(grid, curves, METHODS["whole trainings"], START)["validation"]
    expected = gaps(grid, trace(grid, search, n_trials=20, seed=0))
    assert loss[LENGTH::LENGTH] == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_search_loses_less_and_less_until_nothing_is_left(grid, curves, method) -> None:
    loss = losses(grid, curves, METHODS[method], START)["validation"]
    assert (np.diff(loss) <= 0).all()
    assert loss[LENGTH - 1] > loss[-1] >= 0


def test_a_paused_training_costs_its_epochs_once(curves) -> None:
    trainings = Trainings(curves)
    for until in (2, 4, LENGTH):
        trainings.train(START, until)
        assert trainings.spent == until
    assert trainings.finished == [(LENGTH, START)]


def test_of_a_paused_training_the_gain_of_the_finished_ones_is_expected(curves) -> None:
    trainings = Trainings(curves)
    trainings.train(START, 2)
    assert trainings.final(START) == curves[START][1]
    trainings.train((0, 0, 0, 0), LENGTH)
    gain = curves[0, 0, 0, 0][-1] - curves[0, 0, 0, 0][1]
    assert trainings.final(START) == pytest.approx(curves[START][1] + gain)


def test_a_loss_that_is_never_reached_has_no_epoch() -> None:
    assert first_at(np.array([3.0, 2.0, 1.0]), 2.0) == 1
    assert first_at(np.array([3.0, 2.0, 1.0]), 0.5) is None
