"""The published claim, tested: what Bayesian search loses against the grid."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reporting.document import Section, Text
from pipeline.reporting.places import wording
from pipeline.reporting.published import STATED_LOSS
from pipeline.reporting.summary import Claim
from pipeline.reporting.tables import Column, Table, Value, show
from pipeline.statistics import Interval, t_interval


def claim_section(tested: Sequence[Claim]) -> Section:
    words = wording(*(c.protocol for c in tested))
    several = len({c.model for c in tested}) > 1
    columns = [
        Column("dataset", "Dataset"),
        *([Column("model", "Model")] if several else []),
        Column("loss", "test", "points", "Loss, points"),
        Column("verdict", "verdict", "text", "Loss, points"),
        Column("loss_as_stated", "test as stated", "text", "Loss, points"),
        Column(f"{words.key}_loss", words.selection, "points", "Loss, points"),
        Column("replayed_loss", "replayed", "points", "Loss, points"),
        Column("replayed_as_stated", "replayed as stated", "text", "Loss, points"),
        Column("published_loss", "published", "points", "Loss, points"),
        Column("grid_trials", "grid", "count", "Trials"),
        Column("bayes_trials", "bayes", "count", "Trials"),
        Column("published_trials", "bayes, published", "count", "Trials"),
    ]
    rows: list[list[Value]] = [
        [
            *([c.dataset_title, c.model_title] if several else [c.dataset_title]),
            *(c.loss, verdict(c)),
            "" if c.same_point else as_stated(c.loss),
            *(c.selection_loss, c.replayed, as_stated(c.replayed), c.published),
            *(c.grid_trials, c.bayes_trials, c.published_trials),
        ]
        for c in tested
    ]
    low, high = (100 * bound for bound in STATED_LOSS)
    caption = (
        "What Bayesian search loses against the grid: grid minus bayes, paired test top-1, "
        f"{words.test}. As stated: whether its interval, or that of the replayed loss, stays "
        f"within the {high:g} points of the published text."
    )
    text = (
        f"The published text says that Bayesian search loses {low:g} to {high:g} points at a tenth "
        "of the trials; its own table has up to 0.51. The test loss covers the two chosen "
        "points only: another search may choose better or worse. The replayed loss is what a "
        f"search loses on average: {_searches(tested)}{_together(tested)}"
    )
    return Section(
        "What the cheap search loses",
        "claim",
        [Text(text), Table("claim", caption, columns, rows)],
    )


def _searches(tested: Sequence[Claim]) -> str:
    counts = sorted({c.searches for c in tested if c.searches})
    if not counts:
        return "evaluate replays a grid only where none of its trials failed."
    return (
        f"the mean gap in {wording(*(c.protocol for c in tested)).selection} top-1, with its 95 % "
        f"interval, over {' or '.join(map(str, counts))} searches with their own seeds, looked up "
        "in the finished grid after as many trials."
    )


def _together(tested: Sequence[Claim]) -> str:
    """The mean over datasets, where more than one has a published figure."""
    compared = [c for c in tested if c.published is not None]
    if len(compared) < 2:
        return ""
    ours = show(t_interval([c.loss.mean for c in compared]), "points")
    theirs = show(t_interval([c.published for c in compared if c.published is not None]), "points")
    return (
        f" Over the {len(compared)} rows with a published loss, the mean loss on test is {ours} "
        f"points here and {theirs} as published (intervals over the rows)."
    )


def as_stated(loss: Interval | None) -> str:
    """Whether a loss is at most the stated one: yes, no, or not decided by its interval."""
    if loss is None or loss.low is None or loss.high is None:
        return ""
    if loss.high <= STATED_LOSS[1]:
        return "yes"
    return "no" if loss.low > STATED_LOSS[1] else "undecided"


def verdict(claim: Claim) -> str:
    """What the paired interval allows to say."""
    if claim.same_point:
        return "same point"
    return _verdict(claim.loss, claim.seeds)


def _verdict(loss: Interval, seeds: int) -> str:
    if loss.low is None or loss.high is None:
        return f"{seeds} seed: no interval"
    if loss.low > 0:
        return "bayes is worse"
    if loss.high < 0:
        return "bayes is better"
    return "no difference shown"
