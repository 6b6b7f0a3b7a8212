"""Searchers to compare with, each as its library runs it by default on lists of choices.

:data:`SEARCHERS` names them all. The libraries are imported when a searcher runs: Optuna is
needed for this comparison only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hydra_skopt_sweeper.start import build_engine
from scipy.stats import rankdata

from pipeline.base.errors import UserError
from pipeline.search.grid import FinishedGrid, Index
from pipeline.search.replay import BAYES, Objective, Searcher, run, space

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Sweeper:
    """This project's sweeper, from the fixed scheme or another learning rate.

    Args:
        options: those of ``SkoptSweeperConf`` that differ from conf/strategy/bayes.yaml.
        start: where in the list of learning rates the search starts; None for the fixed scheme's.
        first: points to try first, instead of one.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    start: int | None = None
    first: Sequence[Index] = ()

    def __call__(self, grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
        options = SkoptSweeperConf(**{**BAYES, **self.options, "seed": seed})
        points = list(self.first)
        first = grid.fixed_scheme
        if first is not None and not points:
            axis = list(grid.values).index("lr")
            start = first[axis] if self.start is None else self.start
            points = [(*first[:axis], start, *first[axis + 1 :])]
        run(build_engine(options, space(grid), points), objective, n_trials)


WITHOUT_WALK = Sweeper({"line": [], "acquisition": "EI"})


@dataclass(frozen=True)
class Portfolio:
    """Tries fixed points in their order: the best of other datasets."""

    points: Sequence[Index]

    def __call__(self, grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
        for point in self.points[:n_trials]:
            objective(point)


def portfolio(grid: FinishedGrid, others: Sequence[FinishedGrid]) -> Portfolio:
    """The points of ``grid`` by their mean rank on other grids of the same values."""
    shape = grid.objective.shape
    ranks = np.mean([rankdata(-other.objective).reshape(shape) for other in others], axis=0)
    order = np.argsort(ranks, axis=None, kind="stable")
    return Portfolio([tuple(map(int, np.unravel_index(cell, ranks.shape))) for cell in order])


def random(grid: FinishedGrid, objective: Objective, n_trials: int, seed: int) -> None:
    """Uniform draws without repeats, after the fixed scheme, where the sweeper starts too."""
    draws = np.random.default_rng(seed).permutation(grid.size)
    columns = np.unravel_index(draws, grid.objective.shape)
    points = [tuple(map(int, cells)) for cells in zip(*columns, strict=True)]
    first = grid.fixed_scheme
    points = points if first is None else [first, *(point for point in points if point != first)]
    for point in points[:n_trials]:
        objective(point)


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
    "sweeper": Sweeper(),
    "without walk": WITHOUT_WALK,
    "skopt": skopt,
    "random": random,
    "optuna-tpe": optuna_tpe,
    "optuna-gp": optuna_gp,
}
