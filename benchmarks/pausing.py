"""Compare searches that stop or pause trainings early with searches that train to the end.

Run: python benchmarks/pausing.py > benchmarks/pausing.md
Reads benchmarks/curves/fashion_mnist.csv, written by benchmarks/curves.py, or the table given with
--curves. Until the table has all points with label smoothing, only the points without it are used.
All searches are compared after equal numbers of epochs. Only a point that was trained to the end
can be chosen; its value is that of the last epoch. The learning rate follows the schedule of the
whole training even if the training is stopped, so a paused training can be resumed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hydra_skopt_sweeper.engine import Engine, Proposal
from hydra_skopt_sweeper.start import build_engine
from numpy.typing import NDArray
from scipy.stats import spearmanr
from tabulate import tabulate

from pipeline.base.arguments import documented
from pipeline.search.grid import FinishedGrid, Index
from pipeline.search.replay import BAYES, space

Floats = NDArray[np.float64]

STARTS = 20
"""Number of searches of each kind, which start at different points."""
BUDGETS = (5, 10, 15, 20)
"""Lengths of a search, counted in trainings to the end."""
RUNGS = 4
"""Number of parts of a training; it can be paused after each."""


@dataclass
class Trainings:
    """Record how far a search has trained each point, and how many epochs that cost.

    ``curves`` maps a point to its accuracy in percent after each epoch.
    """

    curves: dict[Index, Floats]
    epochs: dict[Index, int] = field(default_factory=dict)
    finished: list[tuple[int, Index]] = field(default_factory=list)
    """Each finished point, after the epochs that the search had spent by then."""

    @property
    def length(self) -> int:
        return len(next(iter(self.curves.values())))

    @property
    def spent(self) -> int:
        return sum(self.epochs.values())

    def train(self, point: Index, until: int) -> None:
        self.epochs[point] = max(until, self.epochs.get(point, 0))
        if until == self.length:
            self.finished.append((self.spent, point))

    def final(self, point: Index) -> float:
        """Return the final value of a training, estimated if it is unfinished.

        The estimate is the value so far plus the mean gain of the finished trainings over the
        epochs that are left.
        """
        made = self.epochs[point]
        value = float(self.curves[point][made - 1])
        if made == self.length:
            return value
        gains = [self.curves[p][-1] - self.curves[p][made - 1] for _, p in self.finished]
        return value + float(np.mean(gains)) if gains else value


Method = Callable[[Trainings, Engine], Iterator[None]]
"""Runs a search; yields wherever the search may end."""


def whole(trainings: Trainings, engine: Engine) -> Iterator[None]:
    """Train each proposal to the end, as this project's search does."""
    for point in _proposals(engine):
        trainings.train(point, trainings.length)
        engine.tell([point], [trainings.final(point)])
        yield


def median_stopping(trainings: Trainings, engine: Engine) -> Iterator[None]:
    """End a training whose best value is below the median of the others' mean so far.

    Source: Golovin et al. 2017, "Google Vizier", section 3.5.1. No training ends in its first
    quarter or before three trainings are finished.
    """
    for point in _proposals(engine):
        for epoch in range(trainings.length // RUNGS, trainings.length + 1):
            trainings.train(point, epoch)
            means = [trainings.curves[p][:epoch].mean() for _, p in trainings.finished]
            best = trainings.curves[point][:epoch].max()
            if len(means) >= 3 and best < np.median(means):
                break
        engine.tell([point], [trainings.final(point)])
        yield


def successive_halving(trainings: Trainings, engine: Engine) -> Iterator[None]:
    """Train four proposals for a quarter, the better two to the half, the best one to the end.

    Source: Jamieson and Talwalkar 2016. Before that, the walk trains its points to the end.
    """
    while True:
        proposals = engine.ask(1)
        if proposals and proposals[0].kind == "model":
            proposals += engine.ask(3)
        if not proposals:
            return
        alive = list(map(_index, proposals))
        tried = list(alive)
        if len(alive) > 1:
            for until in (trainings.length // 4, trainings.length // 2):
                for point in alive:
                    trainings.train(point, until)
                alive.sort(key=lambda p: -trainings.curves[p][until - 1])
                alive = alive[: max(1, len(alive) // 2)]
        for point in alive:
            trainings.train(point, trainings.length)
        engine.tell(tried, [trainings.final(point) for point in tried])
        yield


def freeze_thaw(trainings: Trainings, engine: Engine) -> Iterator[None]:
    """Train each proposal for a quarter, then resume the most promising paused training.

    Trainings are resumed, a quarter at a time, as long as :meth:`Trainings.final` expects one to
    become the best. This is a simple form of Swersky, Snoek and Adams 2014. Before that, the walk
    trains its points to the end.
    """
    quarter = trainings.length // RUNGS
    while proposals := engine.ask():
        point = _index(proposals[0])
        trainings.train(point, quarter if proposals[0].kind == "model" else trainings.length)
        best = max(trainings.final(p) for _, p in trainings.finished)
        while paused := [p for p, made in trainings.epochs.items() if made < trainings.length]:
            hopeful = max(paused, key=trainings.final)
            trainings.train(hopeful, trainings.epochs[hopeful] + quarter)
            if trainings.final(hopeful) <= best:
                break
        engine.tell(trainings.epochs, map(trainings.final, trainings.epochs))
        yield


METHODS: dict[str, Method] = {
    "whole trainings": whole,
    "median stopping": median_stopping,
    "successive halving": successive_halving,
    "freeze-thaw": freeze_thaw,
}


def _index(proposal: Proposal) -> Index:
    return tuple(map(int, proposal.point))


def _proposals(engine: Engine) -> Iterator[Index]:
    while proposals := engine.ask():
        yield _index(proposals[0])


def losses(
    grid: FinishedGrid, curves: dict[Index, Floats], method: Method, start: Index
) -> dict[str, Floats]:
    """Return the loss of the chosen point after each epoch spent, on validation and on test.

    The finished point with the best value is chosen; the worst point counts before there is one.
    """
    trainings = Trainings(curves)
    engine = build_engine(SkoptSweeperConf(**BAYES), space(grid), [start])
    end = max(BUDGETS) * trainings.length
    for _ in method(trainings, engine):
        if trainings.spent >= end:
            break
    assert grid.test is not None
    result = {}
    best: Index = np.unravel_index(int(grid.objective.argmax()), grid.objective.shape)
    for name, values in (("validation", grid.objective), ("test", grid.test)):
        loss = np.full(end + 1, 100 * (values[best] - values.min()))
        chosen: Index | None = None
        for spent, point in trainings.finished:
            if chosen is None or grid.objective[point] > grid.objective[chosen]:
                chosen = point
                loss[min(spent, end + 1) :] = 100 * (values[best] - values[point])
        result[name] = loss
    return result


def first_at(loss: Floats, target: float) -> int | None:
    """Return the first epoch with at most the ``target`` loss; None if there is none."""
    reached = np.flatnonzero(loss <= target + 1e-9)
    return int(reached[0]) if reached.size else None


def ranks(table: pd.DataFrame, columns: list[str]) -> str:
    """Tabulate how well each epoch ranks all points, and the points of the best learning rate."""
    means = table.groupby("lr")["objective"].transform("mean")
    row = table[means.eq(means.max())]
    shown = range(0, len(columns) - 1, max(1, len(columns) // 10))
    rows = [
        [name, *(f"{spearmanr(part[columns[e]], part['objective']).statistic:+.2f}" for e in shown)]
        for name, part in (("all points", table), (f"learning rate {row['lr'].iloc[0]:g}", row))
    ]
    headers = ["Rank correlation with the last epoch after epoch", *(str(e + 1) for e in shown)]
    return tabulate(rows, headers, "github", disable_numparse=True)


def main() -> None:
    arguments = documented(__doc__)
    default = Path(__file__).parent / "curves" / "fashion_mnist.csv"
    arguments.add_argument("--curves", type=Path, default=default, metavar="CSV")
    table = pd.read_csv(arguments.parse_args().curves)
    sizes = table.groupby("label_smoothing")["label_smoothing"].transform("size")
    table = table[sizes.eq(sizes.max())].reset_index(drop=True)
    columns = [name for name in table.columns if name.startswith("top1_epoch")]
    grid = FinishedGrid.from_table(table)
    rows = table.fillna(0.0).to_dict("records")
    curves = {}
    for row in rows:
        point = grid.point(row)
        assert point is not None
        curves[point] = 100 * np.array([row[name] for name in columns])
    order = np.random.default_rng(0).permutation(len(rows))[:STARTS]
    starts = [list(curves)[i] for i in order]
    mean: dict[str, dict[str, Floats]] = {}
    for name, method in METHODS.items():
        made = [losses(grid, curves, method, start) for start in starts]
        mean[name] = {key: np.mean([each[key] for each in made], axis=0) for key in made[0]}
    length = len(columns)
    print(
        f"# Pausing trainings\n\n{grid.size} points of {length} epochs; means of {len(starts)} "
        f"searches from different points. One training is {length} epochs.\n\n"
        f"{ranks(table, columns)}"
    )
    for key in ("validation", "test"):
        cells = [
            [name, *(f"{each[key][k * length]:.2f}" for k in BUDGETS)]
            for name, each in mean.items()
        ]
        headers = [f"Loss on {key} after epochs", *(str(k * length) for k in BUDGETS)]
        print(f"\n{tabulate(cells, headers, 'github', disable_numparse=True)}")
    whole_loss = mean["whole trainings"]["validation"]
    cells = []
    for name, each in mean.items():
        cells.append([name])
        for k in BUDGETS:
            target = whole_loss[k * length]
            needed, without = (first_at(loss, target) for loss in (each["validation"], whole_loss))
            saved = "never" if needed is None else f"{100 * (1 - needed / (without or 1)):.0f} %"
            cells[-1].append(saved)
    headers = ["Epochs saved at the validation loss of so many whole trainings", *map(str, BUDGETS)]
    print(f"\n{tabulate(cells, headers, 'github', disable_numparse=True)}")


if __name__ == "__main__":
    main()
