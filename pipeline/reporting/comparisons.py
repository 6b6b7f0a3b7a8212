"""Compare the strategies of one dataset and model by their refits, pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.base.paired_comparison import ERRORS, Comparison, compare, decided
from pipeline.base.statistics import Interval
from pipeline.reporting.cell_groups import Place, place_title
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Table, Value

PAIRS = (("grid", "fixed"), ("bayes", "fixed"), ("bayes", "grid"))


@dataclass(frozen=True)
class Difference:
    """The difference in test top-1, first minus second."""

    interval: Interval
    """Interval over seeds and images; without bounds unless two common seeds have predictions."""
    comparison: Comparison | None
    same_point: bool


def difference(first: Cell | None, second: Cell | None) -> Difference | None:
    """Compare two evaluated cells on the seeds that both have; None if they share none."""
    if not first or not second or not first.final or not second.final:
        return None
    ours = dict(zip(first.final.seeds, first.final.top1, strict=True))
    theirs = dict(zip(second.final.seeds, second.final.top1, strict=True))
    shared = [seed for seed in ours if seed in theirs]
    if not shared:
        return None
    same = first.best.point == second.best.point
    one, other = first.refits(shared), second.refits(shared)
    if one is not None and other is not None and one.shape == other.shape:
        comparison = compare(one, other, max(first.final.looks, second.final.looks))
        return Difference(comparison.interval(), comparison, same)
    mean = sum(ours[seed] - theirs[seed] for seed in shared) / len(shared)
    return Difference(Interval(mean, None, None), None, same)


def readings(differences: Sequence[Difference | None], name: str) -> list[str]:
    """Return the conclusion on ``name`` from each difference in words, with 5 % errors in all."""
    comparisons = [each.comparison for each in differences if each and each.comparison]
    verdicts = iter(decided(comparisons))
    level = 1 - ERRORS / max(1, len(comparisons))
    return [
        _reading(each, name, level, bool(each and each.comparison and next(verdicts)))
        for each in differences
    ]


def _reading(difference: Difference | None, name: str, level: float, holds: bool) -> str:
    if difference is None:
        return ""
    if difference.same_point:
        return "same point"
    comparison = difference.comparison
    if comparison is None:
        return "no interval: needs the predictions of two seeds"
    if holds:
        return f"{name} is {'better' if comparison.mean > 0 else 'worse'}"
    seeds = comparison.seeds_to_decide(level)
    if seeds is None:
        return "undecided: too few test images"
    return f"undecided: about {seeds} seeds would decide"


def gain(place: Place, strategy: str) -> tuple[Interval | None, str]:
    """Return the difference of a strategy and the fixed scheme, and the conclusion in words."""
    fixed = place.cells.get("fixed") if strategy != "fixed" else None
    gap = difference(place.cells.get(strategy), fixed)
    return gap.interval if gap else None, readings([gap], strategy)[0]


Pairs = tuple[str, str, str, list[Difference | None]]
"""Key and heading of a group of columns, what a reading is about, and the difference by row."""


def difference_table(
    name: str, caption: str, heading: Column, titles: Sequence[str], groups: Sequence[Pairs]
) -> Table:
    """Make a row per title, with a difference and its reading for each group."""
    columns = [heading]
    rows: list[list[Value]] = [[title] for title in titles]
    for key, group, about, pairs in groups:
        columns.append(Column(key, "points", "points", group))
        columns.append(Column(f"{key}_reading", "reading", "text", group))
        for row, pair, reading in zip(rows, pairs, readings(pairs, about), strict=True):
            row += [pair.interval if pair else None, reading]
    return Table(name, caption, columns, rows)


def comparison_table(places: Sequence[Place]) -> Table | None:
    """Make a row per dataset and model: grid and bayes against fixed, bayes against grid."""
    groups: list[Pairs] = []
    for first, second in PAIRS:
        pairs = [difference(place.cells.get(first), place.cells.get(second)) for place in places]
        if any(pairs):
            groups.append((f"{first}_{second}", f"{first} minus {second}", first, pairs))
    if not groups:
        return None
    heading, title = place_title(places)
    titles = [str(title(place)) for place in places]
    caption = (
        "Test top-1, paired by seed and image, with the 95 % interval of the difference over both. "
        "Readings are corrected for the number of rows: in 5 of 100 such tables one is wrong. They "
        "do not cover other searches. `evaluate.seeds: auto` adds seeds where it is undecided, and "
        "counts each look; seeds added by hand after a look are not corrected for."
    )
    return difference_table("comparisons", caption, heading, titles, groups)
