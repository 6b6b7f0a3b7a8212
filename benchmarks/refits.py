"""Train the best points of a grid again under other seeds, to see whether they stay the best.

Run: python benchmarks/refits.py digits          (or fashion_mnist; put its files in place by hand)
Trains the ten best points of benchmarks/grids/DATASET.csv and ten random ones of the other points
with the best learning rate. Each point is trained five times with the images and the network of the
grid. Only the seed differs: the head's first weights, the order of the images and their
augmentation. An interrupted run continues: trainings already in benchmarks/refits/DATASET.csv are
not repeated.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from grid import GRIDS, Row, Training, fill
from pipeline.base.arguments import documented
from pipeline.settings.point import HYPERPARAMETERS, Point
from pipeline.training.random_streams import generator

FOLDER = Path(__file__).parent / "refits"
POINTS = 10
SEEDS = (101, 102, 103, 104, 105)


def chosen(grid: pd.DataFrame) -> pd.DataFrame:
    """Return the best rows of ``grid``, and random other rows with its best learning rate.

    The best learning rate has the highest mean objective. The column ``group`` is ``best`` or
    ``random``.
    """
    best = grid.nlargest(POINTS, "objective")
    means = grid.groupby("lr")["objective"].transform("mean")
    rest = grid[means.eq(means.max()) & ~grid.index.isin(best.index)]
    order = generator("refits").permutation(len(rest))[:POINTS]
    return pd.concat([best.assign(group="best"), rest.iloc[order].assign(group="random")])


def row(training: Training, group: str, recorded: Row, seed: int) -> Row:
    """Train a recorded point once more; return the result together with the recorded one."""
    point = Point(**{name: recorded[name] for name in HYPERPARAMETERS})
    first = {f"recorded_{name}": recorded[name] for name in ("objective", "test")}
    return {"group": group, "seed": seed, **first, **training.row(point, seed)}


def main() -> None:
    arguments = documented(__doc__)
    arguments.add_argument("dataset", choices=("digits", "fashion_mnist"))
    dataset = arguments.parse_args().dataset
    training = Training(dataset)
    rows = chosen(pd.read_csv(GRIDS / f"{dataset}.csv")).to_dict("records")
    jobs = [partial(row, training, each["group"], each, seed) for seed in SEEDS for each in rows]
    columns = ["group", "seed", "recorded_objective", "recorded_test", *training.columns]
    FOLDER.mkdir(exist_ok=True)
    fill(FOLDER / f"{dataset}.csv", columns, jobs)


if __name__ == "__main__":
    main()
