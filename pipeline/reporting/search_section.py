"""Describe the searches of one dataset and model: gap, heat maps, importance, curves, cost."""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from pipeline.reporting.cell_groups import Place, describe, grid_of, point_figures, wording
from pipeline.reporting.charts import Axis, LineChart, Series, look_of
from pipeline.reporting.document import Block, Details, Section
from pipeline.reporting.grid_figures import heat_maps, importance, parallel
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure, Run, tabulated
from pipeline.settings.folders import PROGRAM
from pipeline.trials.contract import CurveRow, TrialRow
from pipeline.trials.run_rows import RunRow

FAINT_EPOCHS = 30


def search_section(place: Place) -> Section:
    blocks: list[Block] = []
    if "grid" in place.cells:
        grid = grid_of(place.cells["grid"])
        blocks += [heat_maps(place, grid), importance(place, grid)]
        blocks += filter(None, [parallel(place, grid)])
    blocks += [*learning_curves(place), *filter(None, [cost(place)])]
    blocks += [trial_table(cell) for cell in place.cells.values()]
    return Section("The search", f"search-{place.stem}", blocks)


def learning_curves(place: Place) -> list[Block]:
    """Draw the curves of the best and the median trial of the sweep with the most trials.

    Trainings of one epoch have no curve.
    """
    cell = max(place.cells.values(), key=lambda each: len(each.trials))
    curves = cell.curves
    if max((row.epoch for row in curves), default=0) < 2:
        return []
    chosen = {"best": cell.chosen}
    ranked = sorted(
        (row for row in cell.trials if row.objective is not None),
        key=lambda row: (row.objective, row.trial),
    )
    median = ranked[(len(ranked) - 1) // 2]
    if median.trial != cell.best.trial:
        chosen["median"] = median
    selection = wording(cell.best.choice).selection
    points = "; ".join(
        f"{which}: trial {row.trial}, {describe(row)}" for which, row in chosen.items()
    )
    faint = _all_curves(curves)
    thin = " Thin lines: all trials." if faint else ""
    caption = f"Trials of {cell.name.strategy}. {points[0].upper()}{points[1:]}.{thin}"
    epochs = Axis("epoch", whole=True)
    return [
        LineChart(
            name=f"{place.stem}-curves-top1",
            title=f"Learning curves: {selection} top-1",
            caption=caption,
            x=epochs,
            y=Axis(f"{selection} top-1, %", percent=True),
            series=[_curve(curves, selection, row, which, "top1") for which, row in chosen.items()],
            faint=faint,
        ),
        LineChart(
            name=f"{place.stem}-curves-loss",
            title="Learning curves: loss",
            caption=(
                f"Dashed: training, with its augmentation. Solid: {selection}. "
                f"{' and '.join(chosen).capitalize()} trial as above."
            ),
            x=epochs,
            y=Axis("loss"),
            series=[
                _curve(curves, selection, row, which, measure)
                for which, row in chosen.items()
                for measure in ("loss", "train_loss")
            ],
        ),
    ]


def _all_curves(curves: Sequence[CurveRow]) -> list[tuple[list[float], list[float]]]:
    """Return every trial's curve, at no more epochs than can be distinguished."""
    by_trial: dict[int, list[tuple[float, float]]] = {}
    for row in curves:
        if row.top1 is not None:
            by_trial.setdefault(row.trial, []).append((float(row.epoch), row.top1))
    thinned = []
    for points in by_trial.values():
        step = -(-len(points) // FAINT_EPOCHS)
        kept = [*points[:-1:step], points[-1]]
        thinned.append(([x for x, _ in kept], [round(y, 3) for _, y in kept]))
    return thinned if len(thinned) > 2 else []


def _curve(
    curves: Sequence[CurveRow], selection: str, row: TrialRow, which: str, measure: str
) -> Series:
    points = [
        (float(curve.epoch), value)
        for curve in curves
        if curve.trial == row.trial and (value := getattr(curve, measure)) is not None
        if np.isfinite(value)
    ]
    names = {"top1": which, "loss": f"{which}, {selection}", "train_loss": f"{which}, training"}
    return Series(
        name=names[measure],
        x=[epoch for epoch, _ in points],
        y=[value for _, value in points],
        colour="blue" if which == "best" else "orange",
        dashed=measure == "train_loss",
    )


def cost(place: Place) -> LineChart | None:
    """Draw the seconds of every trial; None if no sweep has several trials."""
    if all(len(cell.trials) < 2 for cell in place.cells.values()):
        return None
    return LineChart(
        name=f"{place.stem}-cost",
        title="Cost per trial",
        caption="Seconds that the training of each trial took, in the order of its sweep.",
        x=Axis("trial", whole=True),
        y=Axis("seconds"),
        series=[_costs(cell) for cell in place.cells.values()],
    )


def _costs(cell: Cell) -> Series:
    timed = [(float(run.trial), run.seconds) for run in cell.runs if run.seconds is not None]
    look = look_of(cell.name.strategy)
    return Series(
        name=cell.name.strategy,
        x=[trial for trial, _ in timed],
        y=[seconds for _, seconds in timed],
        colour=look.colour,
        mark=look.mark,
        style="points",
    )


def trial_table(cell: Cell) -> Details:
    words = wording(cell.best.choice)
    others = {"top1": "Top-1 %", "mean_class": "Mean per class %"}
    others.pop(words.metric, None)
    runs = {run.trial: run for run in cell.runs}
    figures: list[Figure[TrialRow]] = [
        (Column("trial", "Trial", "count"), lambda row: row.trial),
        *point_figures(),
        (Column("status", "Status"), lambda row: row.status),
        (Column(words.metric, f"{words.title} %", "share"), lambda row: row.objective),
        *((Column(name, heading, "share"), attrgetter(name)) for name, heading in others.items()),
        (Column("loss", "Loss", "number"), lambda row: row.loss),
        (Column("seconds", "Seconds", "number"), lambda row: runs[row.trial].seconds),
        (Column("replayed", "Replayed", "flag"), lambda row: runs[row.trial].replayed),
        (Column("run_id", "MLflow run", "run"), lambda row: _run(runs[row.trial])),
    ]
    caption = (
        f"Trials of {cell.name.strategy}. A run opens in the MLflow UI while `{PROGRAM} ui` runs "
        "(or on the tracking server the report was made with)."
    )
    table = tabulated(f"trials-{cell.name}", caption, figures, cell.trials)
    return Details(f"Every trial of {cell.name.strategy}", table)


def _run(row: RunRow) -> Run | None:
    return Run(row.experiment_id, row.run_id) if row.experiment_id and row.run_id else None
