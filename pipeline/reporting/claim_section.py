"""Test the published claim on what Bayesian search loses against the grid."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.base.statistics import Interval, t_interval
from pipeline.reporting.comparisons import readings
from pipeline.reporting.document import Section, Text
from pipeline.reporting.places import wording
from pipeline.reporting.published import STATED_LOSS
from pipeline.reporting.summary import Claim
from pipeline.reporting.tables import Column, Table, Value, show


def claim_section(tested: Sequence[Claim]) -> Section:
    words = wording(*(c.choice for c in tested))
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
            *(c.loss, verdict),
            "" if c.difference.same_point else as_stated(c.loss),
            *(c.selection_loss, c.replayed, as_stated(c.replayed), c.published),
            *(c.grid_trials, c.bayes_trials, c.published_trials),
        ]
        for c, verdict in zip(tested, verdicts(tested), strict=True)
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
        f"points only: another search may choose better or worse. {_searches(tested)}"
        f"{_together(tested)}"
    )
    return Section(
        "What the cheap search loses",
        "claim",
        [Text(text), Table("claim", caption, columns, rows)],
    )


def _searches(tested: Sequence[Claim]) -> str:
    counts = sorted({c.searches for c in tested if c.replayed is not None})
    if counts:
        return (
            "The replayed loss is what a search loses on average: the mean gap in "
            f"{wording(*(c.choice for c in tested)).choice}, with its 95 % interval, "
            f"over {' or '.join(map(str, counts))} searches with their own seeds, looked up in the "
            "finished grid until each ends."
        )
    if any(c.grid_failed for c in tested):
        return "Nothing is replayed, because a trial of the grid failed."
    return "There are no replayed searches of that many trials: evaluate the grid again."


def _together(tested: Sequence[Claim]) -> str:
    """Describe each model's mean loss over the datasets with a published figure, if several."""
    told = ""
    for model in dict.fromkeys(c.model for c in tested):
        compared = [c for c in tested if c.model == model]
        published = [c.published for c in compared if c.published is not None]
        ours = [c.loss.mean for c in compared if c.published is not None]
        if len(ours) < 2:
            continue
        told += (
            f" Over the {len(ours)} datasets with a published loss, the mean loss on test is "
            f"{show(t_interval(ours), 'points')} points here, with {compared[0].model_title}, and "
            f"{show(t_interval(published), 'points')} as published (intervals over the datasets)."
        )
    return told


def as_stated(loss: Interval | None) -> str:
    """Return whether a loss is at most the stated one: yes, no, or undecided by its interval."""
    if loss is None or loss.low is None or loss.high is None:
        return ""
    if loss.high <= STATED_LOSS[1]:
        return "yes"
    return "no" if loss.low > STATED_LOSS[1] else "undecided"


def verdicts(tested: Sequence[Claim]) -> list[str]:
    """Return the conclusion from each comparison in words, corrected for their number."""
    return readings([claim.difference for claim in tested], "grid")
