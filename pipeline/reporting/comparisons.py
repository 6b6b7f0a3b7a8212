"""Compare the strategies of one dataset and model by their refits, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.base.statistics import Interval, paired_difference
from pipeline.reporting.places import Place
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Table, Value

PAIRS = (("grid", "fixed"), ("bayes", "fixed"), ("bayes", "grid"))


def paired(first: Cell | None, second: Cell | None) -> Interval | None:
    """Return first minus second, test top-1 paired over the seeds both have, or None."""
    if not first or not second or not first.final or not second.final:
        return None
    ours = dict(zip(first.final.seeds, first.final.top1, strict=True))
    theirs = dict(zip(second.final.seeds, second.final.top1, strict=True))
    shared = [seed for seed in ours if seed in theirs]
    if not shared:
        return None
    return paired_difference([ours[s] for s in shared], [theirs[s] for s in shared])


def reading(difference: Interval | None, name: str) -> str:
    """Say in words what the interval of a difference allows to say of ``name``."""
    if difference is None:
        return ""
    if difference.low is None or difference.high is None:
        return "1 seed: no interval"
    if difference.low > 0:
        return f"{name} is better"
    if difference.high < 0:
        return f"{name} is worse"
    return "no difference shown"


def gain(place: Place, first: str, second: str) -> tuple[Interval | None, str]:
    """Return the paired difference of two strategies and what it allows to say."""
    ours, theirs = place.cells.get(first), place.cells.get(second)
    difference = paired(ours, theirs)
    if difference and ours and theirs and ours.best.point == theirs.best.point:
        return difference, "same point"
    return difference, reading(difference, first)


def comparison_table(places: Sequence[Place]) -> Table | None:
    """Lay out a row per dataset and model: grid and bayes against fixed, bayes against grid."""
    known = [pair for pair in PAIRS if any(gain(place, *pair)[0] for place in places)]
    if not known:
        return None
    several = len({place.model for place in places}) > 1
    columns = [Column("place", "Dataset, model" if several else "Dataset")]
    for first, second in known:
        group = f"{first} minus {second}"
        columns.append(Column(f"{first}_{second}", "points", "points", group))
        columns.append(Column(f"{first}_{second}_reading", "reading", "text", group))
    rows: list[list[Value]] = [
        [place.title if several else place.dataset_title, *_row(place, known)] for place in places
    ]
    caption = (
        "Test top-1, paired over the refit seeds, with the 95 % interval of the difference. It "
        "covers the seeds of the refits, not other searches or other test images."
    )
    return Table("comparisons", caption, columns, rows)


def _row(place: Place, pairs: Sequence[tuple[str, str]]) -> Iterator[Value]:
    for pair in pairs:
        yield from gain(place, *pair)
