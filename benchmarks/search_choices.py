"""Replay the sweeper with its choices undone one at a time, on made-up grids or given ones.

    python benchmarks/search_choices.py --seeds 16
    python benchmarks/search_choices.py --seeds 50 --grid benchmarks/grids/digits.csv

Prints the mean gap to the grid's best in accuracy points after 5, 10, 15 and 20 trials, and for
each choice the paired difference to the sweeper as it is, with its 95 % interval; then what it
would gain on the test column to choose among the tried points by predicted mean. Made-up grids
follow what fine-tuning does: accuracy has one top in the logarithm of the learning rate, drops to
chance at one end, depends weakly on the rest, and is a share of 300 to 600 images. Without --grid
every seed is another grid.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hydra_skopt_sweeper import engine as _engine
from hydra_skopt_sweeper import surrogate as _surrogate
from hydra_skopt_sweeper.dimensions import encode
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from skopt.learning import GaussianProcessRegressor
from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from pipeline.base.statistics import paired_difference, t_interval
from pipeline.search import replay
from pipeline.search.grid import FinishedGrid, Index
from pipeline.settings.command_line import guarded

Floats = NDArray[np.float64]

BUDGETS = (5, 10, 15, 20)
LEARNING_RATES = [0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001]
DECAYS = [1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6]


def made_up(seed: int) -> FinishedGrid:
    """A grid of the published 196 points; the seed decides its shape and noise."""
    rng = np.random.default_rng(seed)
    axes = [np.arange(7), np.arange(7), np.arange(2), np.arange(2)]
    rate, decay, smoothing, mixup = np.meshgrid(*axes, indexing="ij")
    u, w = -1 - rate / 2, -3 - decay / 2  # log10 of learning rate and decay
    top, width = rng.uniform(-3, -1.2), rng.uniform(0.3, 0.8)
    best, chance, images = rng.uniform(0.6, 0.98), rng.choice([0.1, 0.03]), rng.integers(300, 601)

    def soft(x: Floats, scale: float) -> Floats:
        return scale * np.logaddexp(0, x / scale)

    accuracy = best - rng.uniform(0.02, 0.3) * soft(top - width - u, 0.35) ** 1.5
    accuracy -= rng.uniform(0.05, 0.3) * soft(u - top - rng.uniform(0.3, 0.9), 0.2)
    accuracy -= rng.uniform(0.02, 0.1) * soft(u + w + rng.uniform(4.0, 4.8), 0.2)
    accuracy += rng.normal(0, 0.005) * smoothing + rng.normal(-0.003, 0.007) * mixup
    accuracy -= rng.uniform(0, 0.03) * mixup * (u < top - width)
    collapsed = u + 0.1 * rng.normal(size=u.shape) > top + rng.uniform(0.6, 2.0)
    accuracy = np.where(collapsed, chance, accuracy)
    accuracy += rng.normal(0, rng.uniform(0.002, 0.01), size=u.shape)
    accuracy = np.clip(accuracy, chance, 0.995)
    measured, test = (rng.binomial(n, accuracy) / n for n in (images, 10_000))
    values: dict[str, list[float]] = {
        "lr": LEARNING_RATES,
        "l2_decay": DECAYS,
        "label_smoothing": [False, True],
        "mixup": [False, True],
    }
    return FinishedGrid(values, measured, test)


class Fitted:
    """One setting by maximum likelihood: scikit-optimize's own regressor in place of the average.

    Its standard deviation is that of the noise-free value, as it is commonly used.
    """

    def __init__(self, columns: int) -> None:
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(
            np.full(columns, 0.5), length_scale_bounds=(0.1, 10.0), nu=2.5
        )
        self._model = GaussianProcessRegressor(
            kernel, normalize_y=True, noise="gaussian", n_restarts_optimizer=1, random_state=0
        )

    def predict(self, known: Floats, values: Floats, points: Floats) -> _surrogate.Prediction:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # length scales at their bounds
            mean, std = self._model.fit(known, values).predict(points, return_std=True)
        return _surrogate.Prediction(np.ones(1), mean[None], np.maximum(std, 1e-9)[None])


def _mean(prediction: _surrogate.Prediction, _: float) -> Floats:
    return prediction.moments()[0]


def _initial(n: int) -> AbstractContextManager[object]:
    return patch.object(replay, "Engine", partial(_engine.Engine, n_initial=n))


CHOICES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "fitted by maximum likelihood": lambda: patch.object(_engine, "Surrogate", Fitted),
    "greedy on the mean": lambda: patch.object(
        _surrogate.Prediction, "expected_improvement", _mean
    ),
    "depths not cut": lambda: patch.object(_engine, "without_depths", lambda values: values),
    "without the fixed scheme": lambda: patch.object(
        FinishedGrid, "fixed_scheme", property(lambda self: None)
    ),
    "2 first points": lambda: _initial(2),
    "5 first points": lambda: _initial(5),
    "10 first points": lambda: _initial(10),
    "Matern 1/2": lambda: patch.object(_surrogate, "Matern", lambda s, nu: Matern(s, nu=0.5)),
    "Matern 3/2": lambda: patch.object(_surrogate, "Matern", lambda s, nu: Matern(s, nu=1.5)),
    "8 settings": lambda: patch.object(_surrogate, "SETTINGS", 8),
    "length scales 0.3": lambda: patch.object(_surrogate, "LENGTH_SCALE", (0.3, 1.0)),
    "length scales 1": lambda: patch.object(_surrogate, "LENGTH_SCALE", (1.0, 1.0)),
    "noise 0.15": lambda: patch.object(_surrogate, "NOISE", (0.15, 1.0)),
    "next to no noise": lambda: patch.object(_surrogate, "NOISE", (1e-3, 0.5)),
}
"""Each undoes one choice of the engine."""


def search(name: str | None, path: Path | None, seed: int) -> tuple[list[float], list[float]]:
    """Gaps at the budgets of one search with one choice undone, and gains of a model's choice."""
    grid = made_up(seed) if path is None else FinishedGrid.load(path)
    undone = CHOICES[name]() if name else nullcontext()
    with undone, threadpool_limits(limits=1):
        points = replay.trace(grid, replay.sweeper, n_trials=BUDGETS[-1], seed=seed)
        gains = [] if grid.test is None else [gain_of_model(grid, points[:k]) for k in BUDGETS]
    found = replay.gaps(grid, points)
    return [float(found[k - 1]) for k in BUDGETS], gains


def gain_of_model(grid: FinishedGrid, points: Sequence[Index]) -> float:
    """Test accuracy, in points, of the tried point with the best predicted mean over the best one.

    Both of equals take the first in the order of the space.
    """
    assert grid.test is not None
    tried = sorted(points)
    values = np.array([grid.objective[point] for point in tried])
    known = encode(replay.space(grid).dimensions, tried)
    shown = _surrogate.without_depths(values)
    model = _surrogate.Surrogate(known.shape[1]).predict(known, shown, known)
    chosen, best = tried[int(model.moments()[0].argmax())], tried[int(values.argmax())]
    return 100 * float(grid.test[chosen] - grid.test[best])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", type=Path, metavar="CSV")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), choices=list(CHOICES))
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="default: all cores")
    arguments = parser.parse_args()
    names = [None, *arguments.choices]
    jobs = [
        delayed(search)(name, arguments.grid, seed)
        for name in names
        for seed in range(arguments.seeds)
    ]
    with parallel_config("loky", n_jobs=arguments.workers, inner_max_num_threads=1):
        made = Parallel(return_as="generator")(jobs)
        found, gains = zip(*tqdm(made, total=len(jobs), unit="search"), strict=True)
    gaps = np.array(found).reshape(len(names), arguments.seeds, len(BUDGETS))
    print("| gap after so many trials |" + "".join(f" {k} |" for k in BUDGETS))
    print("|---|" + "---|" * len(BUDGETS))
    print("| as it is |" + "".join(f" {gap:.2f} |" for gap in gaps[0].mean(axis=0)))
    for name, table in zip(names[1:], gaps[1:], strict=True):
        cells = ""
        for column in range(len(BUDGETS)):
            d = paired_difference(table[:, column].tolist(), gaps[0][:, column].tolist())
            cells += f" {table[:, column].mean():.2f} ({d.mean:+.2f} ± {d.half_width:.2f}) |"
        print(f"| {name} |{cells}")
    if all(gains):
        columns = np.array(gains[: arguments.seeds]).T.tolist()
        gained = [f" {i.mean:+.2f} ± {i.half_width:.2f} |" for i in map(t_interval, columns)]
        print("| on test, best predicted instead of best observed |" + "".join(gained))


if __name__ == "__main__":
    guarded(main)
