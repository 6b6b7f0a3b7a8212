"""Train the 98 points without mixup on Fashion-MNIST for 20 epochs and record every epoch.

Run: python benchmarks/curves.py        (put the four files in data/raw/fashion_mnist)
The network is that of benchmarks/grid.py, with half of its training images and 1,000 validation
images, so that a point takes about 20 seconds on an idle core. An interrupted run continues: points
already in benchmarks/curves/fashion_mnist.csv are not trained again. The 49 points without label
smoothing come first; they are a grid of their own.
"""

from functools import partial
from pathlib import Path

from grid import Training, fill
from pipeline.base.arguments import documented

TABLE = Path(__file__).parent / "curves" / "fashion_mnist.csv"
SIZES = {"train": 160, "val": 1000, "test": 1000}


def main() -> None:
    documented(__doc__).parse_args()
    training = Training("fashion_mnist", "recipe.epochs=20", sizes=SIZES)
    points = [point for point in training.cfg.space.points() if not point.mixup]
    points.sort(key=lambda point: point.label_smoothing)
    TABLE.parent.mkdir(exist_ok=True)
    fill(TABLE, training.columns, [partial(training.row, point) for point in points])


if __name__ == "__main__":
    main()
