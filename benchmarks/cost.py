"""Estimate the benchmark's cost on accelerators of a given speed, from its configuration alone.

    python benchmarks/cost.py --resnet50 2470 --accelerators 1 8 64

``--speed`` is the training speed of ResNet50_vd in images a second, as ``vdtransfer plan`` measures
it with the recipe's batch size. ``--resnet50`` is a published speed of ResNet-50; ResNet50_vd
reaches 0.885 of it.

A dataset's grid is spread over the accelerators. The fixed scheme and the search find their trials
in the journal. The refits run one after another on one accelerator. An evaluated image counts as a
third of a trained one: it needs only the forward pass.
Decoding, start-up and the journal are left out.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

from pipeline.planning.estimates import need, trials
from pipeline.settings.compose import compose
from pipeline.settings.schema import Config

ROOT = Path(__file__).parents[1]
RESNET50_VD = 1078.0 / 1218.01
"""Training speed of resnet50d divided by that of resnet50, from timm's
results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv."""
MEASURED = 1 / 3
"""Cost of evaluating an image as a share of the cost of training on it."""


@dataclass(frozen=True)
class Cost:
    """The trainings of one dataset: their numbers, and the images that each one processes."""

    name: str
    trials: int
    trial: float
    refits: int
    refit: float

    def hours(self, speed: float) -> float:
        """Return the total accelerator-hours at ``speed`` images a second."""
        return (self.trials * self.trial + self.refits * self.refit) / speed / 3600

    def wall(self, speed: float, accelerators: int) -> float:
        """Return the hours until the last refit is done."""
        rounds = math.ceil(self.trials / accelerators)
        return (rounds * self.trial + self.refits * self.refit) / speed / 3600


def cost(cfg: Config) -> Cost:
    images, counted = need(cfg.dataset).images, trials(cfg)
    assert cfg.recipe.epochs is not None
    epochs = cfg.recipe.epochs
    trial = epochs * (images.train + MEASURED * images.val)
    refit = epochs * (images.train + images.val) + MEASURED * images.test
    return Cost(cfg.dataset.name, counted.search, trial, counted.refits, refit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    speeds = parser.add_mutually_exclusive_group(required=True)
    speeds.add_argument("--speed", type=float, help="images a second trained, by plan")
    speeds.add_argument("--resnet50", type=float, help="a published speed of ResNet-50")
    parser.add_argument("--accelerators", type=int, nargs="+", default=[1, 8, 64])
    arguments = parser.parse_args()
    speed = arguments.speed or RESNET50_VD * arguments.resnet50
    names = compose(ROOT).datasets
    costs = [cost(compose(ROOT, [f"dataset={name}"])) for name in names]
    counts = [f"{count:>9}" for count in arguments.accelerators]
    print(f"{'':16}  accelerator-  hours on accelerators:")
    print(f"{'dataset':16}  {'hours':>12}  {'  '.join(counts)}")
    rows = [
        (
            each.name,
            each.hours(speed),
            [each.wall(speed, count) for count in arguments.accelerators],
        )
        for each in costs
    ]
    totals = [sum(row[2][column] for row in rows) for column in range(len(counts))]
    rows.append(("one by one", sum(row[1] for row in rows), totals))
    for name, hours, walls in rows:
        print(f"{name:16}  {hours:12.1f}  {'  '.join(f'{wall:9.1f}' for wall in walls)}")


if __name__ == "__main__":
    main()
