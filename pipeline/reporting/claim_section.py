"""Test the published claim about the accuracy that Bayesian search loses against the grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.statistics import Interval, t_interval
from pipeline.reporting.cell_groups import Place, how_measured, wording
from pipeline.reporting.comparisons import Difference, difference, readings
from pipeline.reporting.document import Section, Text
from pipeline.reporting.published import STATED_LOSS, PublishedRow
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Table, Value, show


@dataclass(frozen=True)
class Claim:
    """The test top-1 of grid minus that of bayes, on one dataset and model."""

    grid: Cell
    bayes: Cell
    difference: Difference
    """The difference, paired over the seeds that both cells have."""
    published: PublishedRow | None

    @property
    def loss(self) -> Interval:
        return self.difference.interval

    @property
    def searches(self) -> list[list[float]]:
        """Return the gap to the grid's best after each trial, a row per replayed search."""
        replays = self.grid.final.replays if self.grid.final else None
        return replays.gaps if replays else []

    @property
    def replayed(self) -> Interval | None:
        """Return the mean loss of the replayed searches; None if none has enough trials."""
        return t_interval(self._last) if self._last else None

    @property
    def within(self) -> float | None:
        """Return the share of replayed searches that lose at most the stated loss."""
        close = [gap <= STATED_LOSS[1] for gap in self._last]
        return sum(close) / len(close) if close else None

    @property
    def _last(self) -> list[float]:
        """Return the gap of each replayed search after as many trials as the real search had.

        With patience a replayed search ends by itself. Its row repeats its last gap from then on.
        """
        patient = (self.bayes.best.search or {}).get("patience") is not None
        last = -1 if patient else len(self.bayes.trials) - 1
        return [row[last] for row in self.searches if last < len(row)]


def claims(places: Sequence[Place], published: Mapping[str, PublishedRow]) -> list[Claim]:
    """Return a claim for each dataset and model with both grid and bayes evaluated."""
    return [
        Claim(place.cells["grid"], place.cells["bayes"], loss, published.get(place.dataset))
        for place in places
        if (loss := difference(place.cells.get("grid"), place.cells.get("bayes")))
    ]


def claim_section(tested: Sequence[Claim]) -> Section:
    """Write the section on what bayes loses against grid, with a row per claim."""
    words = wording(*(c.grid.best.choice for c in tested))
    several = len({c.grid.name.model for c in tested}) > 1
    low, high = (100 * bound for bound in STATED_LOSS)
    columns = [
        Column("dataset", "Dataset"),
        *([Column("model", "Network")] if several else []),
        Column("loss", "test", "points", "Loss, points"),
        Column("verdict", "verdict", "text", "Loss, points"),
        Column("loss_as_stated", "test as stated", "text", "Loss, points"),
        Column(f"{words.key}_loss", words.selection, "points", "Loss, points"),
        Column("replayed_loss", "replayed", "points", "Loss, points"),
        Column("replayed_within", f"replayed, % within {high:g}", "share", "Loss, points"),
        Column("published_loss", "published", "points", "Loss, points"),
        Column("grid_trials", "grid", "count", "Trials"),
        Column("bayes_trials", "bayes", "count", "Trials"),
        Column("published_trials", "bayes, published", "count", "Trials"),
    ]
    rows: list[list[Value]] = [
        [
            c.grid.dataset_title,
            *([c.grid.model_title] if several else []),
            *(c.loss, verdict, "" if c.difference.same_point else as_stated(c.loss)),
            c.grid.best.objective - c.bayes.best.objective,
            *(c.replayed, c.within, c.published.loss if c.published else None),
            *(len(c.grid.trials), len(c.bayes.trials)),
            c.published.trials["bayes"] if c.published else None,
        ]
        for c, verdict in zip(tested, verdicts(tested), strict=True)
    ]
    caption = (
        "What Bayesian search loses against the grid: grid minus bayes, paired test top-1, "
        f"{how_measured(c.grid for c in tested)}. As stated: whether the interval of the loss "
        f"stays within the {high:g} points of the published text. Replayed: the mean loss of "
        f"replayed searches on {words.selection}, and the share of them within {high:g} points of "
        "the best."
    )
    text = (
        f"The published text says that Bayesian search loses {low:g} to {high:g} points at a tenth "
        "of the trials; its own table shows losses up to 0.51. The test loss covers the two chosen "
        f"points only: another search may choose better or worse. {_searches(tested)}"
        f"{_together(tested)}"
    )
    return Section(
        "What the cheap search loses",
        "claim",
        [Text(text), Table("claim", caption, columns, rows)],
    )


def _searches(tested: Sequence[Claim]) -> str:
    counts = sorted({len(c.searches) for c in tested if c.replayed is not None})
    if counts:
        return (
            "The replayed loss is what a search loses on average: the mean gap in "
            f"{wording(*(c.grid.best.choice for c in tested)).choice}, with its 95 % interval, "
            f"over {' or '.join(map(str, counts))} searches, each with its own seed. Their trials "
            "are looked up in the finished grid."
        )
    if any(c.grid.trials_that("failed") for c in tested):
        return "Nothing is replayed, because a trial of the grid failed."
    return "No replayed search is as long as the search itself: evaluate the grid again."


def _together(tested: Sequence[Claim]) -> str:
    """Describe each model's mean loss over its datasets with a published loss, if several."""
    sentences = ""
    for model in dict.fromkeys(c.grid.name.model for c in tested):
        compared = [c for c in tested if c.grid.name.model == model and c.published]
        if len(compared) < 2:
            continue
        ours = [c.loss.mean for c in compared]
        published = [c.published.loss for c in compared if c.published]
        sentences += (
            f" Over the {len(ours)} datasets with a published loss, the mean loss on test is "
            f"{show(t_interval(ours), 'points')} points here, with "
            f"{compared[0].grid.model_title}, and "
            f"{show(t_interval(published), 'points')} as published (intervals over the datasets)."
        )
    return sentences


def as_stated(loss: Interval | None) -> str:
    """Return whether the interval of a loss stays within the stated loss: yes, no or undecided."""
    if loss is None or loss.low is None or loss.high is None:
        return ""
    if loss.high <= STATED_LOSS[1]:
        return "yes"
    return "no" if loss.low > STATED_LOSS[1] else "undecided"


def verdicts(tested: Sequence[Claim]) -> list[str]:
    """Return each claim's conclusion in words, corrected for the number of claims."""
    return readings([claim.difference for claim in tested], "grid")
