"""How the searches of one dataset and model went: gap, heat maps, importance, curves, cost."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from pipeline.base.statistics import variance_shares
from pipeline.reporting.charts import (
    STRATEGY_COLOURS,
    STRATEGY_MARKS,
    Axis,
    BarChart,
    BarSeries,
    HeatMap,
    LineChart,
    Panel,
    Series,
)
from pipeline.reporting.document import Block, Details, Section, Text
from pipeline.reporting.places import (
    Grid,
    Place,
    describe,
    grid_of,
    point_columns,
    point_values,
    wording,
)
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Run, Table, Value
from pipeline.settings.point import FLAGS, HYPERPARAMETERS
from pipeline.trials.contract import CurveRow, TrialRow


def search_section(place: Place) -> Section:
    blocks: list[Block] = []
    if "grid" in place.cells:
        grid = grid_of(place.cells["grid"])
        blocks.append(heat_maps(place, grid))
        blocks.append(importance(place, grid))
    blocks += learning_curves(place)
    blocks.append(cost(place))
    blocks += [trial_table(cell) for cell in place.cells.values()]
    return Section("The search", f"search-{place.stem}", blocks)


def heat_maps(place: Place, grid: Grid) -> HeatMap:
    """Draw the first two hyperparameters across and down, a panel for each setting of the rest."""
    found = place.cells["grid"].best
    best = grid.index(found.point)
    measured = np.moveaxis(grid.measured[:, ::-1], (0, 1), (-1, -2))  # large at the top
    across, down = list(grid.axes)[:2]
    rest = list(grid.axes.items())[2:]
    rows = len(grid.axes[down])
    panels = []
    for index in itertools.product(*(range(len(options)) for _, options in rest)):
        plane = measured[index]
        values = {name: options[i] for (name, options), i in zip(rest, index, strict=True)}
        panels.append(
            Panel(
                title=_setting(values),
                values=[[None if np.isnan(v) else float(v) for v in row] for row in plane],
                marked=(rows - 1 - best[1], best[0]) if best[2:] == index else None,
            )
        )
    units = [f" The {each.words} is {each.unit}." for each in HYPERPARAMETERS.values() if each.unit]
    return HeatMap(
        name=f"{place.stem}-heat",
        title=f"{wording(found.protocol).selection.capitalize()} top-1 over the grid, %",
        caption=(
            f"Every point of the grid, with {_listed([panel.title for panel in panels])}; the "
            f"framed one was chosen. An empty place diverged or failed.{''.join(units)}"
        ),
        x_title=HYPERPARAMETERS[across].words,
        y_title=HYPERPARAMETERS[down].words,
        x_labels=[f"{value:g}" for value in grid.axes[across]],
        y_labels=[f"{value:g}" for value in reversed(grid.axes[down])],
        panels=panels,
        scale="share",
    )


def _listed(settings: list[str]) -> str:
    flags = " nor ".join(HYPERPARAMETERS[name].words for name in FLAGS)
    named = [each.replace("neither", f"neither {flags}") for each in settings]
    return " or ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _setting(values: dict[str, Any]) -> str:
    """Name the flags that are on and every other value."""
    on = [HYPERPARAMETERS[name].words for name in FLAGS if values.get(name)]
    flags = "both" if len(on) == len(FLAGS) == 2 else " and ".join(on) or "neither"
    others = [
        f"{HYPERPARAMETERS[name].words} {value:g}"
        for name, value in values.items()
        if name not in FLAGS
    ]
    return ", ".join([flags, *others])


def importance(place: Place, grid: Grid) -> BarChart | Text:
    """Shares of variance over the axes that vary, or why there are none."""
    selection = wording(place.cells["grid"].best.protocol).selection
    names = [name for name, values in grid.axes.items() if len(values) > 1]
    shares = None
    if grid.complete and names:
        shares = variance_shares(names, grid.values.squeeze())
    if shares is None:
        reason = "is the same everywhere" if grid.complete else "is missing at some points"
        return Text(f"Hyperparameter importance is not shown: {selection} top-1 {reason}.")
    title = {name: shown.name for name, shown in HYPERPARAMETERS.items()}
    bars = {title[name]: share for name, share in shares.main.items()}
    bars |= {f"{title[a]} × {title[b]}": share for (a, b), share in shares.pairs.items()}
    if len(names) > 2:
        bars["three or more together"] = shares.higher
    return BarChart(
        name=f"{place.stem}-importance",
        title="How much each hyperparameter matters",
        caption=(
            f"Share of the variance of {selection} top-1 over the full grid that each "
            "hyperparameter explains alone, and two together beyond that (functional analysis of "
            "variance, exact as every point was measured; diverged trials count as the worst of "
            "the others)."
        ),
        x=Axis("share of variance, %", percent=True),
        categories=list(bars),
        series=[BarSeries("share of variance", list(bars.values()), "blue")],
    )


def learning_curves(place: Place) -> list[Block]:
    """Best and median trial of the sweep with most trials."""
    cell = max(place.cells.values(), key=lambda each: len(each.trials))
    chosen = {"best": cell.trials[cell.best.trial]}
    ranked = sorted(
        (row for row in cell.trials if row.objective is not None),
        key=lambda row: (row.objective, row.trial),
    )
    median = ranked[(len(ranked) - 1) // 2]
    if median.trial != cell.best.trial:
        chosen["median"] = median
    selection = wording(cell.best.protocol).selection
    told = "; ".join(
        f"{which}: trial {row.trial}, {describe(row)}" for which, row in chosen.items()
    )
    caption = f"Trials of {cell.name.strategy}. {told[0].upper()}{told[1:]}."
    epochs = Axis("epoch", whole=True)
    return [
        LineChart(
            name=f"{place.stem}-curves-top1",
            title=f"Learning curves: {selection} top-1",
            caption=caption,
            x=epochs,
            y=Axis(f"{selection} top-1, %", percent=True),
            series=[_curve(cell, row, which, "top1") for which, row in chosen.items()],
        ),
        LineChart(
            name=f"{place.stem}-curves-loss",
            title="Learning curves: loss",
            caption=f"Dashed: training, with its augmentation. Solid: {selection}. Same trials.",
            x=epochs,
            y=Axis("loss"),
            series=[
                _curve(cell, row, which, measure)
                for which, row in chosen.items()
                for measure in ("loss", "train_loss")
            ],
        ),
    ]


def _curve(cell: Cell, row: TrialRow, which: str, measure: str) -> Series:
    points = [
        (float(curve.epoch), value)
        for curve in cell.curves
        if curve.trial == row.trial and (value := _finite(curve, measure)) is not None
    ]
    measured = f"{which}, {wording(cell.best.protocol).selection}"
    names = {"top1": which, "loss": measured, "train_loss": f"{which}, training"}
    return Series(
        name=names[measure],
        x=[epoch for epoch, _ in points],
        y=[value for _, value in points],
        colour="blue" if which == "best" else "orange",
        dashed=measure == "train_loss",
    )


def _finite(curve: CurveRow, measure: str) -> float | None:
    value: float | None = getattr(curve, measure)
    return value if value is not None and np.isfinite(value) else None


def cost(place: Place) -> LineChart:
    return LineChart(
        name=f"{place.stem}-cost",
        title="Cost per trial",
        caption="Seconds each trial took when it was trained, in the order of its sweep.",
        x=Axis("trial", whole=True),
        y=Axis("seconds"),
        series=[_costs(cell) for cell in place.cells.values()],
    )


def _costs(cell: Cell) -> Series:
    timed = [(run, run.seconds) for run in cell.runs if run.seconds is not None]
    strategy = cell.name.strategy
    return Series(
        name=strategy,
        x=[float(run.trial) for run, _ in timed],
        y=[seconds for _, seconds in timed],
        colour=STRATEGY_COLOURS.get(strategy, "grey"),
        mark=STRATEGY_MARKS.get(strategy, "circle"),
        style="points",
        hover=[
            f"{strategy} trial {run.trial}: {seconds:.1f} s<br>{describe(cell.trials[run.trial])}"
            for run, seconds in timed
        ],
    )


def trial_table(cell: Cell) -> Details:
    columns = [
        Column("trial", "Trial", "count"),
        *point_columns(),
        Column("status", "Status"),
        Column("top1", f"{wording(cell.best.protocol).selection.capitalize()} top-1 %", "share"),
        Column("mean_class", "Mean per class %", "share"),
        Column("loss", "Loss", "number"),
        Column("seconds", "Seconds", "number"),
        Column("replayed", "Replayed", "flag"),
        Column("run_id", "MLflow run", "run"),
    ]
    rows: list[list[Value]] = [
        [
            *(row.trial, *point_values(row), row.status, row.objective),
            *(row.mean_class, row.loss, run.seconds, run.replayed),
            Run(run.experiment_id, run.run_id) if run.experiment_id and run.run_id else None,
        ]
        for row, run in zip(cell.trials, cell.runs, strict=True)
    ]
    table = Table(
        name=f"trials-{cell.name}",
        caption=(
            f"Trials of {cell.name.strategy}. A run opens in the MLflow UI while `make ui` runs "
            "(or on the tracking server the report was made with)."
        ),
        columns=columns,
        rows=rows,
    )
    return Details(f"Every trial of {cell.name.strategy}", table)
