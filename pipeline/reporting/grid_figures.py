"""Draw a finished grid: heat maps, hyperparameter importance, every trial as a line."""

import itertools
from typing import Any

import numpy as np

from pipeline.base.statistics import Floats, variance_shares
from pipeline.reporting.cell_groups import Grid, Place, wording
from pipeline.reporting.charts import Axis, BarChart, BarSeries, HeatMap, Panel, Parallel
from pipeline.reporting.document import Text
from pipeline.settings.point import FLAGS, HYPERPARAMETERS


def heat_maps(place: Place, grid: Grid) -> HeatMap:
    """Draw the first two hyperparameters across and down, a panel for each setting of the rest.

    If one of the two has only one value, there is one panel with a row for each setting.
    """
    chosen = place.cells["grid"].best
    best = grid.index(chosen.point)
    measured = np.moveaxis(grid.measured[:, ::-1], (0, 1), (-1, -2))  # large at the top
    (across, x), (down, y), *rest = grid.axes.items()
    settings = list(itertools.product(*(range(len(options)) for _, options in rest)))
    names = [
        _setting({name: options[i] for (name, options), i in zip(rest, index, strict=True)})
        for index in settings
    ]
    framed, row, column = settings.index(best[2:]), len(y) - 1 - best[1], best[0]
    x_labels, y_labels = [f"{value:g}" for value in x], [f"{value:g}" for value in reversed(y)]
    x_title, y_title = HYPERPARAMETERS[across].words, HYPERPARAMETERS[down].words
    fixed = ""
    if len(x) > 1 and len(y) > 1:
        panels = [
            Panel(name, _plane(measured[index]), (row, column) if i == framed else None)
            for i, (name, index) in enumerate(zip(names, settings, strict=True))
        ]
    else:
        rows = np.array([measured[index].ravel() for index in settings])
        panels = [Panel("", _plane(rows), (framed, row * len(x) + column))]
        single, value = (y_title, y[0]) if len(y) == 1 else (x_title, x[0])
        fixed = f" The {single} is {value:g} throughout."
        if len(y) > 1:
            x_title, x_labels = y_title, y_labels
        y_title, y_labels = "", names
    units = [f" The {each.words} is {each.unit}." for each in HYPERPARAMETERS.values() if each.unit]
    return HeatMap(
        name=f"{place.stem}-heat",
        title=f"{wording(chosen.choice).title} over the grid, %",
        caption=(
            f"Every point of the grid, with {_listed(names)}; the framed one was chosen. An empty "
            f"place diverged or failed.{fixed}{''.join(units)}"
        ),
        x_title=x_title,
        y_title=y_title,
        x_labels=x_labels,
        y_labels=y_labels,
        panels=panels,
        scale="share",
    )


def _plane(values: Floats) -> list[list[float | None]]:
    return [[None if np.isnan(v) else float(v) for v in row] for row in values]


def _listed(settings: list[str]) -> str:
    flags = " nor ".join(HYPERPARAMETERS[name].words for name in FLAGS)
    named = [each.replace("neither", f"neither {flags}") for each in settings]
    return " or ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _setting(values: dict[str, Any]) -> str:
    """Describe a setting: the flags that are on, and every other value."""
    on = [HYPERPARAMETERS[name].words for name in FLAGS if values.get(name)]
    flags = "both" if len(on) == len(FLAGS) == 2 else " and ".join(on) or "neither"
    others = [
        f"{HYPERPARAMETERS[name].words} {value:g}"
        for name, value in values.items()
        if name not in FLAGS
    ]
    return ", ".join([flags, *others])


def importance(place: Place, grid: Grid) -> BarChart | Text:
    """Draw the shares of variance over the axes that vary, or say why there are none."""
    choice = wording(place.cells["grid"].best.choice).choice
    names = [name for name, values in grid.axes.items() if len(values) > 1]
    shares = None
    if grid.complete and names:
        shares = variance_shares(names, grid.values.squeeze())
    if shares is None:
        reason = "is the same everywhere" if grid.complete else "is missing at some points"
        return Text(f"Hyperparameter importance is not shown: {choice} {reason}.")
    title = {name: shown.name for name, shown in HYPERPARAMETERS.items()}
    parts = {title[name]: share for name, share in shares.main.items()}
    parts |= {f"{title[a]} × {title[b]}": share for (a, b), share in shares.pairs.items()}
    if len(names) > 2:
        parts["three or more together"] = shares.higher
    bars = dict(sorted(parts.items(), key=lambda part: -part[1]))
    return BarChart(
        name=f"{place.stem}-importance",
        title="How much each hyperparameter matters",
        caption=(
            f"Share of the variance of {choice} over the full grid that each "
            "hyperparameter explains alone, and two together beyond that (functional analysis of "
            "variance, exact as every point was measured; diverged trials count as the worst of "
            "the others)."
        ),
        x=Axis("share of variance, %", percent=True),
        categories=list(bars),
        series=[BarSeries("share of variance", list(bars.values()), "blue")],
    )


def parallel(place: Place, grid: Grid) -> Parallel | None:
    """Draw every trial of the grid as a line over the axes that vary; None if fewer than two do."""
    cell = place.cells["grid"]
    varying = [name for name, values in grid.axes.items() if len(values) > 1]
    if len(varying) < 2:
        return None
    measured = [row for row in cell.trials if row.top1 is not None]
    measured.sort(key=lambda row: (row.objective or 0.0, row.trial))  # the best lie on top
    return Parallel(
        name=f"{place.stem}-parallel",
        title="Every trial of the grid",
        caption=(
            "A line for each trial, over the values it had; its colour is the "
            f"{wording(cell.best.choice).choice} it reached."
        ),
        axes=[(HYPERPARAMETERS[name].name, list(map(_name, grid.axes[name]))) for name in varying],
        lines=[
            (
                tuple(grid.axes[name].index(getattr(row, name)) for name in varying),
                row.objective or 0.0,
            )
            for row in measured
        ],
    )


def _name(value: float | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"
