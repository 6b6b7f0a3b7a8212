"""Searchers to compare with, each as its library runs it by default on lists of choices.

:data:`SEARCHERS` names them all. The libraries are imported when a searcher runs: Optuna is
needed for this comparison only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline.base.errors import UserError
from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import Objective, Searcher, sweeper

if TYPE_CHECKING:
    import optuna


def random(grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
    """Uniform draws without repeats."""
    draws = np.random.default_rng(seed).permutation(grid.size)[:n_trials]
    for cells in zip(*np.unravel_index(draws, grid.objective.shape), strict=True):
        objective(tuple(map(int, cells)))


def skopt(grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
    """scikit-optimize's ``gp_minimize`` over categorical dimensions, everything at its default.

    That is a one-hot encoding, 10 random points first, then a portfolio of three acquisitions.
    """
    from skopt import gp_minimize
    from skopt.space import Categorical

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it repeats points and says so
        gp_minimize(
            lambda point: -objective(tuple(map(int, point))),
            [Categorical(range(len(values))) for values in grid.values.values()],
            n_calls=n_trials,
            random_state=seed,
        )


def optuna_tpe(grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
    """Optuna's tree-structured Parzen estimator over categorical parameters."""
    _optuna(lambda o: o.samplers.TPESampler(seed=seed), grid, objective, n_trials)


def optuna_gp(grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
    """Optuna's Gaussian-process sampler over categorical parameters."""
    _optuna(lambda o: o.samplers.GPSampler(seed=seed), grid, objective, n_trials)


def _optuna(
    sampler: Callable[..., optuna.samplers.BaseSampler],
    grid: FinishedGrid,
    objective: Objective,
    n_trials: int,
) -> None:
    try:
        import optuna
    except ImportError:
        raise UserError("the searcher needs Optuna: pip install -e '.[benchmarks]'") from None

    def try_point(trial: optuna.Trial) -> float:
        return objective(
            tuple(
                trial.suggest_categorical(name, range(len(values)))
                for name, values in grid.values.items()
            )
        )

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the GP sampler is marked experimental
        study = optuna.create_study(direction="maximize", sampler=sampler(optuna))
        study.optimize(try_point, n_trials=n_trials)


SEARCHERS: dict[str, Searcher] = {
    "sweeper": sweeper,
    "skopt": skopt,
    "random": random,
    "optuna-tpe": optuna_tpe,
    "optuna-gp": optuna_gp,
}
