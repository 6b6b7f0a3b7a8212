"""Draw the gap to the grid against the number of trials, a figure that PaddleClas later removed."""

import numpy as np

from pipeline.base.statistics import GapBand, additive_noise, gap_curve, mean_gap, random_search_gap
from pipeline.reporting.cell_groups import Place, grid_of, wording
from pipeline.reporting.charts import Axis, Colour, LineChart, Series, look_of
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import show
from pipeline.trials.contract import TrialRow

SEARCHES = ("bayes", "random")
_REPLAYS = (
    " Replays are searches whose trials are looked up in the grid: their mean, with its 95 % "
    "interval."
)


def gap_chart(place: Place, published: PublishedRow | None) -> LineChart | None:
    """Draw the gap of each search; None unless the grid and a search on it are finished.

    A search of one trial has no curve.
    """
    searches = [place.cells[name] for name in SEARCHES if name in place.cells]
    if "grid" not in place.cells or not searches:
        return None
    grid = place.cells["grid"]
    best = grid.best.objective
    replays = grid.final.replays if grid.final is not None else None
    lengths = [len(cell.trials) for cell in searches]
    longest = max([*lengths, len(replays.gaps[0])] if replays else lengths)
    if longest < 2:
        return None
    series = [_expected(grid, searches[0].trials[0], longest)]
    if replays is not None:
        name = f"bayes, mean of {len(replays.gaps)} replays"
        series.append(_banded(name, mean_gap(replays.gaps), "blue"))
    series += [_walked(cell, best) for cell in searches]
    if "fixed" in place.cells:
        loss = best - place.cells["fixed"].best.objective
        series.append(Series("fixed scheme", [1, longest], [loss, loss], "orange", dashed=True))
    if published is not None:
        series.append(
            Series(
                name="published, bayes (test)",
                x=[published.trials["bayes"]],
                y=[published.loss],
                colour="grey",
                style="points",
                mark="triangle",
            )
        )
    noise = _noise(grid)
    if noise is not None:
        ends, edge = [1.0, float(longest)], [noise, noise]
        band = Series("noise of one trial", ends, edge, "grey", low=[0.0, 0.0], high=edge)
        series.insert(0, band)
    return LineChart(
        name=f"{place.stem}-gap",
        title="Gap to the grid's best against trials",
        caption=(
            f"Best {wording(grid.best.choice).choice} of the grid minus the best so "
            "far of the search, in points. Random search begins with the same first trial and "
            "is computed exactly from the finished grid: its mean without repeats, and the band "
            f"that holds 95 % of such searches.{_REPLAYS if replays else ''}"
            f"{_noise_in_words(noise)}"
        ),
        x=Axis("trials", whole=True),
        y=Axis("gap, points", percent=True),
        series=series,
    )


def _noise(grid: Cell) -> float | None:
    """Estimate the noise of one trial among those at the learning rate that was chosen."""
    finished = grid_of(grid)
    [lr, *_] = finished.index(grid.best.point)
    return additive_noise(finished.measured[lr])


def _noise_in_words(noise: float | None) -> str:
    if noise is None:
        return " The noise of one trial is not known, because the grid has too few trials."
    return (
        f" Grey: one trial has a standard deviation of {show(noise, 'share')} points near the top "
        "(around an additive fit to the grid's trials at the chosen lr). A gap within it "
        "may be luck of the grid's best trial."
    )


def _expected(grid: Cell, first: TrialRow, trials: int) -> Series:
    """Compute the curve of a random search that begins with the same trial as the searches.

    A later trial counts only as a gain over the first, so worse points count as equal to it.
    """
    start = first.objective or 0.0
    others = [row.objective for row in grid.trials if row.point != first.point]
    better = [max(value, start) for value in others if value is not None]
    curves = np.full((3, min(trials, len(better) + 1)), max(better, default=start) - start)
    if curves.shape[1] > 1:
        band = random_search_gap(better, curves.shape[1] - 1)
        curves[:, 1:] = band.mean, band.low, band.high
    return _banded("random search, expected", GapBand(*curves), "pink")


def _banded(name: str, band: GapBand, colour: Colour) -> Series:
    mean, low, high = (curve.tolist() for curve in (band.mean, band.low, band.high))
    return Series(
        name, [float(k) for k in range(1, len(mean) + 1)], mean, colour, low=low, high=high
    )


def _walked(cell: Cell, best: float) -> Series:
    objectives = [row.objective or 0.0 for row in cell.trials]
    look = look_of(cell.name.strategy)
    return Series(
        name=f"{cell.name.strategy}, this search",
        x=[float(k) for k in range(1, len(objectives) + 1)],
        y=gap_curve(objectives, best).tolist(),
        colour=look.colour,
        mark=look.mark,
        style="step",
    )
