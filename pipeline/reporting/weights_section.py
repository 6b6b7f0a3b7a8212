"""Compare two sets of weights, fixed and searched, in the form of the second published table."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.base.statistics import Interval, t_interval
from pipeline.reporting.comparisons import difference, readings
from pipeline.reporting.document import Section, Text
from pipeline.reporting.places import wording
from pipeline.reporting.published import table2_gains
from pipeline.reporting.results import Cell, CellName
from pipeline.reporting.tables import Column, Table, Value, show

_SEARCHES = ("grid", "bayes", "random")
"""Strategies that count as the search: the first that exists; grid, as published, comes first."""


def weights_section(cells: Sequence[Cell], models: Sequence[str]) -> Section | None:
    """Compose the section: a row per dataset, with the columns of ``models`` in their order.

    Returns None unless there are two models and a cell is evaluated.
    """
    done = {cell.name: cell for cell in cells if cell.final is not None}
    if len(models) != 2 or not done:
        return None
    datasets = list(dict.fromkeys(name.dataset for name in done))
    there = {name.strategy for name in done}
    strategies = ("fixed", next((each for each in _SEARCHES if each in there), _SEARCHES[0]))
    titles = {model: model for model in models} | {
        name.model: cell.final.model_title for name, cell in done.items() if cell.final
    }
    accuracy = _accuracy(datasets, models, strategies, titles, done)
    as_paddle = _accuracy(datasets, models, strategies, titles, done, batch_mean=True)
    gains = _gains(datasets, models, strategies, done)
    fixed, searched = table2_gains()
    first, second = (titles[model] for model in models)
    text = (
        f"What {second} is worth over {first}, on the same images. In the published second table "
        "weights trained at large scale are ahead of ImageNet's on all of its six collections: by "
        f"{100 * min(fixed):.1f} to {100 * max(fixed):.1f} points under the fixed scheme, and "
        f"by {100 * min(searched):.1f} to {100 * max(searched):.1f} after the search. Its images "
        "were never released, so these are other ones." + _together(gains)
    )
    return Section("Two sets of weights", "weights", [Text(text), accuracy, gains, as_paddle])


def _accuracy(
    datasets: Sequence[str],
    models: Sequence[str],
    strategies: Sequence[str],
    titles: dict[str, str],
    done: dict[CellName, Cell],
    batch_mean: bool = False,
) -> Table:
    """Make the table of accuracies: plain, or averaged over batches as in the published table."""
    columns = [
        Column("dataset", "Dataset"),
        Column("classes", "Classes", "count"),
        *(Column(split, split, "count", "Images") for split in ("train", "val", "test")),
    ]
    for model in models:
        for strategy, heading in zip(strategies, ("fixed", "searched"), strict=True):
            columns.append(Column(f"{model}_{strategy}", heading, "share", titles[model]))
    rows: list[list[Value]] = []
    for dataset in datasets:
        some = next(cell.final for name, cell in done.items() if name.dataset == dataset)
        assert some is not None
        images = some.images
        row: list[Value] = [some.title, len(some.classes), images.train, images.val, images.test]
        for model in models:
            cells = [done.get(CellName(dataset, model, each)) for each in strategies]
            row += [_batch_mean(cell) if batch_mean else _top1(cell) for cell in cells]
        rows.append(row)
    words = wording(*(cell.best.choice for cell in done.values()))
    caption = (
        f"Test top-1 in percent, {words.test}. Searched: the best point of "
        f"{strategies[1]} by {words.choice}."
    )
    if batch_mean:
        caption = (
            "The same as the published table reads it: the mean over batches of 32 test images, a "
            "short last batch counted in full, which explains every one of its figures. Only these "
            f"are comparable with it. {caption}"
        )
    return Table("weights_batch_mean" if batch_mean else "weights", caption, columns, rows)


def _gains(
    datasets: Sequence[str],
    models: Sequence[str],
    strategies: Sequence[str],
    done: dict[CellName, Cell],
) -> Table:
    columns = [Column("dataset", "Dataset")]
    for strategy, heading in zip(strategies, ("Fixed", "Searched"), strict=True):
        columns.append(Column(f"{strategy}_gain", "points", "points", heading))
        columns.append(Column(f"{strategy}_verdict", "reading", "text", heading))
    rows: list[list[Value]] = []
    gains = {
        strategy: [
            difference(
                *(done.get(CellName(dataset, model, strategy)) for model in reversed(models))
            )
            for dataset in datasets
        ]
        for strategy in strategies
    }
    words = {strategy: readings(each, "second") for strategy, each in gains.items()}
    for number, dataset in enumerate(datasets):
        title = next(
            cell.final.title
            for name, cell in done.items()
            if name.dataset == dataset and cell.final
        )
        row: list[Value] = [title]
        for strategy in strategies:
            gain = gains[strategy][number]
            row += [gain.interval if gain else None, words[strategy][number]]
        rows.append(row)
    caption = (
        "What the second weights gain over the first: paired test top-1, "
        f"{wording(*(cell.best.choice for cell in done.values())).test}."
    )
    return Table("weights_gain", caption, columns, rows)


def _together(gains: Table) -> str:
    """Describe over all datasets where the second weights are ahead, and the mean gain."""
    told = []
    for column, how in ((1, "under the fixed scheme"), (3, "after the search")):
        found = (row[column] for row in gains.rows)
        means = [gain.mean for gain in found if isinstance(gain, Interval)]
        if means:
            ahead = sum(mean > 0 for mean in means)
            mean = show(t_interval(means), "points")
            told.append(f"ahead on {ahead} of {len(means)} {how}, by {mean} points on average")
    over = " (intervals over the datasets)" if len(gains.rows) > 1 else ""
    return f" Here {'; '.join(told)}{over}." if told else ""


def _top1(cell: Cell | None) -> Interval | None:
    return t_interval(cell.final.top1) if cell and cell.final else None


def _batch_mean(cell: Cell | None) -> Interval | None:
    every = cell.final.paddle_batch_mean if cell and cell.final else []
    measured = [each for each in every if each is not None]
    return t_interval(measured) if measured else None
