"""Compare searchers on intervals: how close they come to the least value of known functions."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hydra_skopt_sweeper import dimensions, engine, fitted, sampling
from hydra_skopt_sweeper.dimensions import Span
from hydra_skopt_sweeper.engine import Engine
from joblib import Memory, Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from searchers import functions
from searchers.comparison import differences
from searchers.functions import TASKS, Place, Task
from searchers.traces import digest

BUDGETS = (10, 20, 30, 40, 50)
"""Numbers of trials in the tables, as far as a search has so many."""

Minimised = Callable[[Place], float]


def sweeper(task: Task, function: Minimised, seed: int) -> None:
    """This project's engine, as the sweeper runs it by default."""
    search = Engine([Span.real(low, high) for low, high in task.bounds], seed=seed)
    for _ in range(task.trials):
        [proposal] = search.ask()
        search.tell([proposal.point], [-function(proposal.point)])


def skopt(task: Task, function: Minimised, seed: int) -> None:
    """scikit-optimize's ``gp_minimize``, everything at its default.

    A search in ten dimensions takes half a minute.
    """
    from skopt import gp_minimize

    bounds = [(float(low), float(high)) for low, high in task.bounds]
    gp_minimize(lambda p: function(tuple(p)), bounds, n_calls=task.trials, random_state=seed)


def optuna_gp(task: Task, function: Minimised, seed: int) -> None:
    """Optuna's Gaussian-process sampler, everything at its default."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def try_point(trial: optuna.Trial) -> float:
        names = enumerate(task.bounds)
        return function(tuple(trial.suggest_float(f"x{i}", *ends) for i, ends in names))

    study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed))
    study.optimize(try_point, n_trials=task.trials)


def random(task: Task, function: Minimised, seed: int) -> None:
    """Uniform draws."""
    low, high = np.array(task.bounds, dtype=float).T
    for share in np.random.default_rng(seed).random((task.trials, len(low))):
        function(tuple(map(float, low + share * (high - low))))


SEARCHERS = {"sweeper": sweeper, "skopt": skopt, "optuna-gp": optuna_gp, "random": random}


def intervals(names: Sequence[str], seeds: int, folder: Path, workers: int) -> list[dict[str, Any]]:
    """Search every task with the named searchers; return their distances to the least value.

    The first searcher is compared with each of the others.
    """
    kept = Memory(folder, verbose=0).cache(_search)
    ours = digest(engine, fitted, sampling, dimensions, functions)
    codes = {name: ours if name == "sweeper" else digest(functions) for name in names}
    wanted = [
        (number, name, seed)
        for number in range(len(TASKS))
        for name in names
        for seed in range(seeds)
    ]
    jobs = (delayed(kept)(number, name, seed, codes[name]) for number, name, seed in wanted)
    with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
        made = Parallel(return_as="generator")(jobs)
        searches = dict(zip(wanted, tqdm(made, desc="intervals", total=len(wanted)), strict=True))
    return [
        _summary(task, {n: [searches[number, n, seed] for seed in range(seeds)] for n in names})
        for number, task in enumerate(TASKS)
    ]


def _summary(task: Task, searches: Mapping[str, list[list[float]]]) -> dict[str, Any]:
    truths = {name: np.array(rows) for name, rows in searches.items()}
    seen = min(float(truth.min()) for truth in truths.values())
    least = seen if task.least is None else task.least
    return {
        "name": task.name,
        "trials": task.trials,
        "seeds": len(next(iter(truths.values()))),
        "least": least,
        "searchers": {
            name: {
                "median": np.median(truth - least, axis=0).tolist(),
                "mean": (truth - least).mean(axis=0).tolist(),
            }
            for name, truth in truths.items()
        },
        "compared": next(iter(truths)),
        "difference": differences(truths, [k for k in BUDGETS if k <= task.trials]),
    }


def _search(number: int, name: str, seed: int, code: str) -> list[float]:
    """The value without noise of the best observed point, after each trial."""
    task = TASKS[number]
    truths: list[float] = []
    best = np.inf

    def function(place: Place) -> float:
        nonlocal best
        value = task.value(place, seed, len(truths))
        truths.append(task.truth(place) if value < best else truths[-1])
        best = min(best, value)
        return value

    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore")
        SEARCHERS[name](task, function, seed)
    return truths
