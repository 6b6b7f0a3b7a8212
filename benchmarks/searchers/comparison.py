"""What replayed searches say: gaps, paired differences and stop rules. Figures, no drawing.

A table of gaps or losses has one row per seed and one column per number of trials, in accuracy
points; the same row of two searchers' tables is the same seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from hydra_skopt_sweeper.rules import idle_trials
from numpy.typing import NDArray

from pipeline.base.statistics import GapBand, Interval, mean_gap, t_interval

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Replays:
    """Searches of one searcher on one grid; ``test_loss`` is None without a test column."""

    gap: Table
    test_loss: Table | None

    def gap_band(self) -> GapBand:
        return mean_gap(self.gap)

    def test_band(self) -> GapBand | None:
        return None if self.test_loss is None else mean_gap(self.test_loss)


def trials_to_reach(gap: Table, points: float) -> int | None:
    """The fewest trials with a mean gap of at most ``points``, None if there never is one."""
    reached = np.flatnonzero(gap.mean(axis=0) <= points)
    return int(reached[0]) + 1 if reached.size else None


def difference(ours: Table, peer: Table, trials: int) -> Interval:
    """Return the mean of ours minus the peer's after so many trials: below 0 is better.

    The searches are paired by seed, as far as both made them.
    """
    both = min(len(ours), len(peer))
    return t_interval((ours[:both, trials - 1] - peer[:both, trials - 1]).tolist())


def share(ours: Table, peer: Table, trials: int) -> Interval:
    """Return the mean of ours divided by the peer's after so many trials.

    The interval is that of a ratio of paired means, by linearisation (Cochran 1977, section 2.11).
    """
    both = min(len(ours), len(peer))
    part, whole = ours[:both, trials - 1], peer[:both, trials - 1]
    ratio = part.mean() / whole.mean()
    return t_interval((ratio + (part - ratio * whole) / whole.mean()).tolist())


def differences(
    tables: Mapping[str, Table], budgets: Sequence[int]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return :func:`difference` of the first table and each other one, by name and budget."""
    first, *others = tables
    return {
        name: {str(k): asdict(difference(tables[first], tables[name], k)) for k in budgets}
        for name in others
    }


@dataclass(frozen=True)
class StopRule:
    """What stopping after ``patience`` trials without a gain above ``min_delta`` comes to."""

    patience: int
    min_delta: float
    """In accuracy points."""
    trials: float
    """Mean number of trials; searches that never stopped count with all they made."""
    few: float
    many: float
    """The 10th and the 90th percentile of the number of trials."""
    gap: float
    """Mean gap where the searches stopped."""
    regret: float
    """Mean regret there."""


def stop_rule(gap: Table, regret: Table, patience: int, min_delta: float) -> StopRule:
    """Apply the sweeper's rule to finished searches."""
    stops = np.array([_stop(row, patience, min_delta) for row in gap])
    ends = np.arange(len(gap)), stops - 1
    few, many = np.percentile(stops, [10, 90])
    return StopRule(
        patience,
        min_delta,
        float(stops.mean()),
        float(few),
        float(many),
        float(gap[ends].mean()),
        float(regret[ends].mean()),
    )


def _stop(gap: Sequence[float], patience: int, min_delta: float) -> int:
    """Number of trials made: a gain is a gap smaller than the one of the last gain."""
    idle = enumerate(idle_trials((-each for each in gap), min_delta), start=1)
    return next((made for made, waited in idle if waited >= patience), len(gap))
