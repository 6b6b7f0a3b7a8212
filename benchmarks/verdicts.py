"""Measure how often a verdict between two settings is wrong, and how often it sees a difference.

Run: python benchmarks/verdicts.py [--simulations 2000]
Two settings are simulated on one test split: each image is answered rightly with its own
probability, the settings disagree on a share of the images, each refit flips some answers, and
each refit as a whole is better or worse by chance. ``images``: 1,880 images, 8 % disagreement, 4 %
flips.
``seeds``: refits differ as a whole by a standard deviation of 0.4 points as well.
Wrong: share of verdicts between equal settings. Found: share of verdicts when one setting is 0.4
points better. Of eight: share of simulated benchmarks of eight datasets with any wrong verdict.
"""

from __future__ import annotations

import argparse

import numpy as np
from tabulate import tabulate

from pipeline.base.comparison import Comparison, compare, decided

IMAGES, RIGHT, DISAGREE, FLIPS = 1880, 0.92, 0.08, 0.04
MIXTURES = {"images": 0.0, "seeds": 0.004}


def simulate(rng: np.random.Generator, seeds: int, shift: float, better: float = 0.0) -> Comparison:
    """Compare two simulated settings whose true accuracies differ by ``better``."""
    base = rng.random(IMAGES) < RIGHT

    def answers(gain: float) -> np.ndarray:
        # Disagreement that keeps the accuracy: an image is drawn anew, right as often as any.
        renewed = rng.random(IMAGES) < DISAGREE / (4 * RIGHT * (1 - RIGHT))
        own = np.where(renewed, rng.random(IMAGES) < RIGHT, base)
        flips = rng.random((seeds, IMAGES)) < FLIPS / (4 * RIGHT * (1 - RIGHT))
        runs = np.where(flips, rng.random((seeds, IMAGES)) < RIGHT, own)
        change = rng.normal(gain, shift, (seeds, 1)) if shift else np.full((seeds, 1), gain)
        worse = (rng.random(runs.shape) < -change / RIGHT) & runs
        gained = (rng.random(runs.shape) < change / (1 - RIGHT)) & ~runs
        return (runs & ~worse) | gained

    return compare(answers(better), answers(0.0))


def holds(comparison: Comparison) -> bool:
    return decided([comparison])[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=2000, help="default: %(default)s")
    count = parser.parse_args().simulations
    rows = []
    for name, shift in MIXTURES.items():
        for seeds in (3, 5, 10):
            rng = np.random.default_rng(seeds)
            equal = [simulate(rng, seeds, shift) for _ in range(count)]
            wrong = np.mean([holds(each) for each in equal])
            eights = [equal[start : start + 8] for start in range(0, count - 7, 8)]
            any_wrong = np.mean([any(decided(eight)) for eight in eights])
            gains = [simulate(rng, seeds, shift, 0.004) for _ in range(count)]
            rows.append([name, seeds, wrong, any_wrong, np.mean([holds(each) for each in gains])])
    headers = ["mixture", "seeds", "wrong", "any wrong of eight", "found at 0.4 points"]
    print(tabulate(rows, headers, floatfmt=".3f"))


if __name__ == "__main__":
    main()
