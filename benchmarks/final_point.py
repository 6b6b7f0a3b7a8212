"""Compare rules that choose the final point of a search, by trainings under other seeds.

Run: python benchmarks/final_point.py > benchmarks/final_point.md
Reads benchmarks/refits/*.csv, written by benchmarks/refits.py: points trained under several seeds.
The first table compares the accuracies recorded in the grid with those of the same points trained
again. The second table simulates searches that try random points, each under one of its seeds. A
rule chooses one of the tried points by validation accuracy. Like a refit, the choice is judged by
its mean test accuracy under seeds that the search did not use. All rules cost the same number of
trainings: a search that repeats two points tries two points fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from hydra_skopt_sweeper.dimensions import encode
from hydra_skopt_sweeper.surrogate import Surrogate
from numpy.typing import NDArray
from tabulate import tabulate

from grid import GRIDS
from pipeline.base.arguments import documented
from pipeline.search.grid import FinishedGrid
from pipeline.search.replay import space
from pipeline.settings.point import HYPERPARAMETERS
from refits import FOLDER, POINTS

Floats = NDArray[np.float64]

TRAININGS = (6, 12)
SEARCHES = 1000


@dataclass(frozen=True)
class Refits:
    """Accuracies of points under several seeds, in percent, and the points' rows of the grid."""

    val: Floats  # (points, seeds), like test
    test: Floats
    recorded: pd.DataFrame
    features: Floats

    @classmethod
    def load(cls, name: str) -> Refits:
        """Read the trainings, without seeds under which some point was not trained."""
        table = pd.read_csv(FOLDER / f"{name}.csv")
        whole = table.groupby("seed")["seed"].transform("size").eq(2 * POINTS)
        keys = ["group", "recorded_objective", "recorded_test", *HYPERPARAMETERS]
        wide = table[whole].pivot(index=keys, columns="seed", values=["objective", "test"])
        recorded = wide.index.to_frame(index=False)
        grid = FinishedGrid.load(GRIDS / f"{name}.csv")
        points = [grid.point(row) for row in recorded.to_dict("records")]
        return cls(
            100 * wide["objective"].to_numpy(),
            100 * wide["test"].to_numpy(),
            recorded,
            encode(space(grid).dimensions, [point for point in points if point is not None]),
        )


@dataclass(frozen=True)
class Search:
    """The points in the order they are tried, and the seeds of each point in a random order."""

    refits: Refits
    order: NDArray[np.intp]
    seeds: NDArray[np.intp]

    def values(self, tried: int, repeat: int = 0) -> Floats:
        """Return the validation accuracy of the points tried, shape (tried,)."""
        points = self.order[:tried]
        return self.refits.val[points, self.seeds[points, repeat]]

    def loss(self, chosen: int) -> float:
        """Return how far the chosen point is below the best on test, under unused seeds."""
        unused = np.take_along_axis(self.refits.test, self.seeds[:, 2:], axis=1).mean(axis=1)
        return float(unused.max() - unused[self.order[chosen]])


def best_seen(search: Search, trainings: int) -> int:
    return int(search.values(trainings).argmax())


def posterior_mean(search: Search, trainings: int) -> int:
    """Choose the tried point with the highest mean predicted by the sweeper's model."""
    values = search.values(trainings)
    features = search.refits.features[search.order[:trainings]]
    model = Surrogate(features.shape[1])
    mean, _ = model.predict(features, values - values.max(), features).moments()
    return int(mean.argmax())


def repeated(count: int) -> Callable[[Search, int], int]:
    """Return a rule that repeats the best ``count`` points and takes the highest mean of both."""

    def rule(search: Search, trainings: int) -> int:
        tried = trainings - count
        first, second = search.values(tried), search.values(tried, repeat=1)
        best = np.argsort(-first, kind="stable")[:count]
        return int(best[np.argmax((first + second)[best])])

    return rule


RULES: dict[str, Callable[[Search, int], int]] = {
    "best seen": best_seen,
    "posterior mean": posterior_mean,
    "repeat the best two": repeated(2),
    "repeat the best three": repeated(3),
}


def survival(refits: Refits) -> list[list[str]]:
    """Return the recorded and the refitted accuracy and their spread, a row per group and split."""
    rows = []
    for group, part in refits.recorded.groupby("group"):
        for split, column in (("validation", "recorded_objective"), ("test", "recorded_test")):
            values = (refits.val if split == "validation" else refits.test)[part.index]
            means = values.mean(axis=1)
            rows.append(
                [
                    f"{group}, {split}",
                    f"{100 * part[column].mean():.1f}",
                    f"{means.mean():.1f}",
                    f"{np.sqrt(values.var(axis=1, ddof=1).mean()):.1f}",
                    f"{means.std(ddof=1):.1f}",
                    f"{np.corrcoef(100 * part[column], means)[0, 1]:+.2f}",
                ]
            )
    return rows


def within(refits: Refits) -> float:
    """Return how the deviations from a point's mean correlate between validation and test."""
    off = [each - each.mean(axis=1, keepdims=True) for each in (refits.val, refits.test)]
    return float(np.corrcoef(off[0].ravel(), off[1].ravel())[0, 1])


def searches(refits: Refits) -> list[Search]:
    points, seeds = refits.val.shape
    made = []
    for seed in range(SEARCHES):
        rng = np.random.default_rng(seed)
        order = rng.permuted(np.tile(np.arange(seeds), (points, 1)), axis=1)
        made.append(Search(refits, rng.permutation(points), order))
    return made


def main() -> None:
    documented(__doc__).parse_args()
    print("# Which point to take at the end of a search")
    for path in sorted(FOLDER.glob("*.csv")):
        refits = Refits.load(path.stem)
        print(
            f"\n## {path.stem}\n\n{refits.val.shape[1]} seeds. Within a point, the deviations of "
            f"validation and test correlate by {within(refits):+.2f}.\n"
        )
        headers = ["accuracy", "recorded", "refits", "sd of a seed", "sd of points", "correlation"]
        print(tabulate(survival(refits), headers, "github", disable_numparse=True))
        made = searches(refits)
        rows = []
        for name, rule in RULES.items():
            cells = []
            for trainings in TRAININGS:
                losses = [search.loss(rule(search, trainings)) for search in made]
                cells.append(f"{np.mean(losses):.2f}")
            rows.append([name, *cells])
        headers = ["Loss on test after so many trainings", *map(str, TRAININGS)]
        print(f"\n{tabulate(rows, headers, 'github', disable_numparse=True)}")


if __name__ == "__main__":
    main()
