"""Draw the figure of a comparison of searchers."""

from pathlib import Path
from typing import Any

import vl_convert

from pipeline.base.errors import UserError
from pipeline.base.files import write_bytes
from pipeline.reporting.charts import Axis, Colour, LineChart, Mark, Series
from pipeline.reporting.series_views import line_view
from pipeline.reporting.vega import Spec, framed, light, to_svg
from searchers.summary import MIN_DELTAS, Published

COLOURS: tuple[Colour, ...] = ("blue", "orange", "grey", "green", "pink")
MARKS: tuple[Mark, ...] = ("circle", "square", "diamond", "triangle", "circle")


def draw(grids: dict[str, dict[str, Any]], published: Published, path: Path) -> None:
    """Draw one row per grid: the gap, the loss on test and the stop rule.

    ``grids`` holds a ``summary`` by name.

    Raises:
        UserError: the file's ending is none of svg, png and pdf.
    """
    kind = path.suffix.lower()
    if kind not in (".svg", ".png", ".pdf"):
        raise UserError(f"{path}: a figure is an svg, png or pdf")
    rows = [{"hconcat": _views(name, grid, published)} for name, grid in grids.items()]
    own = {"scale": dict.fromkeys(("color", "shape", "strokeDash"), "independent")}
    spec = framed({"vconcat": [row | {"resolve": own} for row in rows], "resolve": own})
    if kind == ".svg":
        write_bytes(path, to_svg(spec))
    elif kind == ".png":
        write_bytes(path, vl_convert.vegalite_to_png(light(spec), scale=2))
    else:
        write_bytes(path, vl_convert.vegalite_to_pdf(light(spec)))


def _views(name: str, grid: dict[str, Any], published: Published) -> list[Spec]:
    stars = _published(published)
    gaps = [*_curves(grid, "gap"), stars]
    # a wide band may leave the frame
    highest = max(max(series.y) for series in gaps)
    points = Axis("accuracy points", limits=(0, 1.1 * highest))
    views = [_view(f"{name}: gap on variants of the grid", Axis("trials"), points, gaps)]
    if losses := _curves(grid, "test_loss"):
        title = "recorded grid: loss on test against its own choice"
        views.append(_view(title, Axis("trials"), Axis("accuracy points"), losses))
    mean, gap = Axis("mean number of trials"), Axis("mean gap, points")
    rules = [*_stops(grid["stop_rules"]), stars]
    return [*views, _view("stop rule: patience beside each point", mean, gap, rules)]


def _view(title: str, x: Axis, y: Axis, series: list[Series]) -> Spec:
    view = line_view(LineChart("search", title, "", x, y, series))
    return view | {"title": title, "width": 340, "height": 240}


def _curves(grid: dict[str, Any], key: str) -> list[Series]:
    curves = {name: each[key] for name, each in grid["searchers"].items() if each[key]}
    return [
        Series(
            name=name,
            x=curve["trials"],
            y=curve["mean"],
            colour=COLOURS[number % len(COLOURS)],
            dashed=number >= len(COLOURS),
            low=curve["low"],
            high=curve["high"],
        )
        for number, (name, curve) in enumerate(curves.items())
    ]


def _published(published: Published) -> Series:
    trials, gap = (list(column) for column in zip(*published, strict=True))
    return Series("published, 8 sets", trials, gap, "pink", style="points", mark="triangle")


def _stops(rules: list[dict[str, Any]]) -> list[Series]:
    series = []
    for delta, colour, mark in zip(MIN_DELTAS, COLOURS, MARKS, strict=False):
        line = [rule for rule in rules if rule["min_delta"] == delta]
        series.append(
            Series(
                name=f"min_delta {delta} points",
                x=[rule["trials"] for rule in line],
                y=[rule["gap"] for rule in line],
                colour=colour,
                style="points",
                mark=mark,
                labels=[str(rule["patience"]) for rule in line],
            )
        )
    return series
