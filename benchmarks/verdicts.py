"""Measure how often a comparison of two settings is wrong, and how often it finds a difference.

Run: python benchmarks/verdicts.py [--simulations 2000]
Simulates the answers of two settings on one test split of 1,880 images. The settings disagree on up
to 8 % of the images, and two refits of one setting on up to 4 %. Columns of the table:

* mixture: ``images`` is as above; with ``seeds`` the accuracy of whole refits also differs by
  chance, with a standard deviation of 0.4 points;
* seeds: their number, or the looks of ``evaluate.seeds: auto`` with the last look as its budget;
* wrong: share of comparisons of equal settings that find one of them better;
* of eight: share of tables of eight such comparisons in which any one does;
* found: share of comparisons that find a difference if one setting is 0.4 or 2 points better;
* spent: mean number of seeds that these comparisons use.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from tabulate import tabulate

from pipeline.base.arguments import documented
from pipeline.base.interim_looks import planned_looks
from pipeline.base.paired_comparison import (
    Comparison,
    compare,
    decided,
    worth_more_seeds,
)

IMAGES, RIGHT, DISAGREE, FLIPS = 1880, 0.92, 0.08, 0.04
GAINS = (0.004, 0.02)
EIGHT = 8
"""Number of datasets in the benchmark's table."""
MIXTURES = {"images": 0.0, "seeds": 0.004}


def simulate(
    rng: np.random.Generator, seeds: int, shift: float, better: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate which answers of two settings are right; true accuracies differ by ``better``."""
    base = rng.random(IMAGES) < RIGHT

    def answers(gain: float) -> np.ndarray:
        # Redraw the answers of some images at the mean accuracy: settings differ, accuracy stays.
        renewed = rng.random(IMAGES) < DISAGREE / (4 * RIGHT * (1 - RIGHT))
        own = np.where(renewed, rng.random(IMAGES) < RIGHT, base)
        flips = rng.random((seeds, IMAGES)) < FLIPS / (4 * RIGHT * (1 - RIGHT))
        runs = np.where(flips, rng.random((seeds, IMAGES)) < RIGHT, own)
        change = rng.normal(gain, shift, (seeds, 1)) if shift else np.full((seeds, 1), gain)
        worse = (rng.random(runs.shape) < -change / RIGHT) & runs
        gained = (rng.random(runs.shape) < change / (1 - RIGHT)) & ~runs
        return (runs & ~worse) | gained

    return answers(better), answers(0.0)


def with_the_rule(pair: tuple[np.ndarray, np.ndarray], comparisons: int) -> Comparison:
    """Compare two settings as ``evaluate.seeds: auto`` does, with all their seeds as the budget."""
    looks = planned_looks(len(pair[0]))
    for seeds in looks:
        comparison = compare(pair[0][:seeds], pair[1][:seeds], len(looks))
        if not worth_more_seeds(comparison, comparisons, looks[-1]):
            break
    return comparison


def holds(comparison: Comparison) -> bool:
    return decided([comparison])[0]


def errors(pairs: Sequence[tuple[np.ndarray, np.ndarray]], rule: bool) -> tuple[float, float]:
    """Return the share of wrong comparisons of equal settings, singly and in tables of eight."""
    if rule:
        single = [with_the_rule(pair, 1) for pair in pairs]
        together = [with_the_rule(pair, EIGHT) for pair in pairs]
    else:
        single = together = [compare(*pair) for pair in pairs]
    tables = [together[start : start + EIGHT] for start in range(0, len(pairs) - EIGHT + 1, EIGHT)]
    wrong = float(np.mean([holds(each) for each in single]))
    return wrong, float(np.mean([any(decided(table)) for table in tables]))


def main() -> None:
    parser = documented(__doc__)
    parser.add_argument("--simulations", type=int, default=2000, help="default: %(default)s")
    count = parser.parse_args().simulations
    rows = []
    for (name, shift), seeds in itertools.product(MIXTURES.items(), (3, 5, 10)):
        rng = np.random.default_rng(seeds)
        equal, *better = (
            [simulate(rng, seeds, shift, gain) for _ in range(count)] for gain in (0.0, *GAINS)
        )
        for rule in (False, True):
            plan = " ".join(map(str, planned_looks(seeds))) if rule else str(seeds)
            row = [name, plan, *errors(equal, rule)]
            for pairs in better:
                ended = [with_the_rule(pair, 1) if rule else compare(*pair) for pair in pairs]
                row.append(float(np.mean([holds(each) for each in ended])))
                row.append(float(np.mean([each.seeds for each in ended])))
            rows.append(row)
    headers = ["mixture", "seeds", "wrong", "of eight"]
    headers += [f"{what} at {100 * gain:g}" for gain in GAINS for what in ("found", "spent")]
    print(tabulate(rows, headers, floatfmt=("", "", ".3f", ".3f", *(".3f", ".1f") * len(GAINS))))


if __name__ == "__main__":
    main()
