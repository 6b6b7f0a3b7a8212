"""Compare two sets of weights, fixed and searched, in the form of the second published table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from pipeline.base.statistics import Interval, t_interval
from pipeline.reporting.cell_groups import Wording, how_measured, wording
from pipeline.reporting.comparisons import Pairs, difference, difference_table
from pipeline.reporting.document import Section, Text
from pipeline.reporting.published import table2_gains
from pipeline.reporting.results import Cell, CellName
from pipeline.reporting.tables import Column, Figure, Table, Value, show, tabulated
from pipeline.trials.contract import FinalFile

_SEARCHES = ("grid", "bayes", "random")
"""Strategies that count as the search: the first that exists; grid, as published, comes first."""


def weights_section(cells: Sequence[Cell], models: Sequence[str]) -> Section | None:
    """Compose the section: a row per dataset, with the columns of ``models`` in their order.

    Returns None unless there are two models and a cell is evaluated.
    """
    done = {cell.name: cell for cell in cells if cell.final is not None}
    if len(models) != 2 or not done:
        return None
    there = {name.strategy for name in done}
    searched = next((each for each in _SEARCHES if each in there), _SEARCHES[0])
    titles = {name.model: cell.model_title for name, cell in done.items()}
    sets = _Sets({model: titles.get(model, model) for model in models}, ("fixed", searched), done)
    gains = sets.gains()
    fixed, by_search = table2_gains()
    first, second = sets.models.values()
    text = (
        f"What {second} is worth over {first}, on the same images. In the published second table "
        "weights trained at large scale are ahead of ImageNet's on all of its six collections: by "
        f"{100 * min(fixed):.1f} to {100 * max(fixed):.1f} points under the fixed scheme, and "
        f"by {100 * min(by_search):.1f} to {100 * max(by_search):.1f} after the search. Its images "
        "were never released, so the images here are others." + _together(gains)
    )
    caption = (
        f"Test top-1 in percent, {how_measured(sets.done.values())}. Searched: the best point of "
        f"{searched} by {sets.words.choice}."
    )
    batches = (
        "The same as the published table reads it: the mean over batches of 32 test images, a "
        "short last batch counted in full, which explains all its figures. Only these "
        f"are comparable with it. Intervals are over the seeds alone. {caption}"
    )
    accuracy = sets.accuracy("weights", caption, lambda cell: cell.top1)
    as_paddle = sets.accuracy("weights_batch_mean", batches, _batch_mean)
    return Section("Two sets of weights", "weights", [Text(text), accuracy, gains, as_paddle])


@dataclass(frozen=True)
class _Sets:
    """The evaluated cells of two sets of weights, by dataset, fixed and searched."""

    models: dict[str, str]
    """Titles of the two models by name."""
    strategies: tuple[str, str]
    done: dict[CellName, Cell]

    @property
    def datasets(self) -> dict[str, Cell]:
        """A cell of each dataset."""
        return {name.dataset: cell for name, cell in self.done.items()}

    @property
    def words(self) -> Wording:
        return wording(*(cell.best.choice for cell in self.done.values()))

    def accuracy(self, name: str, caption: str, figure: Callable[[Cell], Interval | None]) -> Table:
        """Make a table of one figure of every cell."""

        def measured(model: str, strategy: str, final: FinalFile) -> Value:
            cell = self.done.get(CellName(final.dataset, model, strategy))
            return figure(cell) if cell else None

        figures: list[Figure[FinalFile]] = [
            (Column("dataset", "Dataset"), lambda final: final.title),
            (Column("classes", "Classes", "count"), lambda final: len(final.classes)),
        ]
        for split in ("train", "val", "test"):
            figures.append((Column(split, split, "count", "Images"), attrgetter(f"images.{split}")))
        for model, title in self.models.items():
            for strategy, heading in zip(self.strategies, ("fixed", "searched"), strict=True):
                column = Column(f"{model}_{strategy}", heading, "share", title)
                figures.append((column, partial(measured, model, strategy)))
        finals = [cell.final for cell in self.datasets.values() if cell.final]
        return tabulated(name, caption, figures, finals)

    def gains(self) -> Table:
        """Make a table of what the second weights gain over the first."""
        groups: list[Pairs] = []
        for strategy, group in zip(self.strategies, ("Fixed", "Searched"), strict=True):
            pairs = [
                difference(
                    *(self.done.get(CellName(each, m, strategy)) for m in reversed(self.models))
                )
                for each in self.datasets
            ]
            groups.append((f"{strategy}_gain", group, "second", pairs))
        caption = (
            "What the second weights gain over the first: paired test top-1, "
            f"{how_measured(self.done.values())}."
        )
        titles = [cell.dataset_title for cell in self.datasets.values()]
        heading = Column("dataset", "Dataset")
        return difference_table("weights_gain", caption, heading, titles, groups)


def _together(gains: Table) -> str:
    """Describe over all datasets where the second weights are ahead, and the mean gain."""
    sentences = []
    for column, how in ((1, "under the fixed scheme"), (3, "after the search")):
        cells = (row[column] for row in gains.rows)
        means = [gain.mean for gain in cells if isinstance(gain, Interval)]
        if means:
            ahead = sum(mean > 0 for mean in means)
            mean = show(t_interval(means), "points")
            sentences.append(f"ahead on {ahead} of {len(means)} {how}, by {mean} points on average")
    over = " (intervals over the datasets)" if len(gains.rows) > 1 else ""
    return f" Here {'; '.join(sentences)}{over}." if sentences else ""


def _batch_mean(cell: Cell) -> Interval | None:
    every = cell.final.paddle_batch_mean if cell.final else []
    measured = [each for each in every if each is not None]
    return t_interval(measured) if measured else None
