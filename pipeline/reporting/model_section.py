"""Describe the final model of one dataset: per-class accuracy and what it confuses."""

from pipeline.base.statistics import wilson_interval
from pipeline.reporting.cell_groups import Place, describe, wording
from pipeline.reporting.charts import Axis, BarChart, BarSeries, HeatMap, LineChart, Panel, Series
from pipeline.reporting.confused_images import confused_images
from pipeline.reporting.document import Block, Details, Section, Text
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure, Table, Value, tabulated
from pipeline.settings.folders import PROGRAM
from pipeline.trials.contract import Calibration, ClassRow, FinalFile

MOST_PAIRS = 20
MOST_BARS = 30


def final_cell(place: Place) -> Cell | None:
    """Return the evaluated cell whose point had the best selection accuracy; None if there is none.

    Under the held-out protocol the test split plays no part in it.
    """
    evaluated = [cell for cell in place.cells.values() if cell.final]
    return max(evaluated, key=lambda cell: cell.best.objective, default=None)


def model_section(place: Place) -> Section | None:
    cell = final_cell(place)
    if cell is None or cell.final is None:
        return None
    final, images = cell.final, cell.final.images
    used = f"{images.train:,} images to train, {images.val:,} to choose by, {images.test:,} to test"
    if final.protocol == "paddle":
        used = f"{images.train + images.val:,} images to train, {images.test:,} to choose by"
    waiting = [name for name, each in place.cells.items() if each.final is None]
    rivals = f"those evaluated (not yet: {', '.join(waiting)})" if waiting else "all strategies"
    text = (
        f"The model of {cell.name.strategy}, best of {rivals} by "
        f"{wording(cell.best.choice).choice}: {describe(cell.best.point)}. "
        f"{len(final.classes)} classes; {used}."
    )
    if folder := cell.model_folder:
        text += (
            f" It was then trained again on the {images.train + images.val:,} images that are not "
            f"for the test. The model of seed {final.seeds[0]}, with {100 * final.top1[0]:.2f} % "
            f"on the test images, is in `{folder}`. To use it: `{PROGRAM} predict {folder} IMAGE`."
        )
    blocks: list[Block] = [Text(text)]
    if final.per_class:
        blocks.append(per_class_chart(place, final))
        blocks.append(Details("Accuracy of every class", per_class_table(place, final)))
    if final.calibration is not None:
        blocks.append(reliability_chart(place, final.calibration))
    if final.confusion is not None:
        blocks += confusion(place, cell, final)
    return Section("The final model", f"model-{place.stem}", blocks)


def _correct(row: ClassRow) -> int:
    return round((row.top1 or 0.0) * row.images)


def per_class_chart(place: Place, final: FinalFile) -> BarChart:
    measured = [row for row in final.per_class if row.images and row.top1 is not None]
    worst = sorted(measured, key=lambda row: (row.top1, row.name))[:MOST_BARS]
    intervals = [wilson_interval(_correct(row), row.images) for row in worst]
    title = "Test accuracy by class"
    if len(measured) > MOST_BARS:
        title += f": the {MOST_BARS} worst of {len(measured)}"
    return BarChart(
        name=f"{place.stem}-classes",
        title=title,
        caption=(
            "Mean over the refit seeds; number of test images in brackets; bars are Wilson's 95 % "
            "interval for that many images."
        ),
        x=Axis("test top-1, %", percent=True),
        categories=[f"{row.name} ({row.images:,})" for row in worst],
        series=[
            BarSeries(
                name="accuracy",
                values=[row.top1 for row in worst],
                low=[interval.low for interval in intervals],
                high=[interval.high for interval in intervals],
                colour="blue",
            )
        ],
        dots=True,
    )


def per_class_table(place: Place, final: FinalFile) -> Table:
    figures: list[Figure[ClassRow]] = [
        (Column("class", "Class"), lambda row: row.name),
        (Column("images", "Test images", "count"), lambda row: row.images),
        (Column("top1", "Top-1 %", "share"), lambda row: row.top1),
    ]
    caption = "Mean over the refit seeds."
    return tabulated(f"{place.stem}-classes", caption, figures, final.per_class)


def reliability_chart(place: Place, calibration: Calibration) -> LineChart:
    """Show how often the delivered model is right, by how sure it is."""
    bins = calibration.bins
    intervals = [wilson_interval(round(each.accuracy * each.images), each.images) for each in bins]
    return LineChart(
        name=f"{place.stem}-reliability",
        title="Reliability: how often the model is right, by the probability it gives",
        caption=(
            f"Test images of the first seed, in bins of its highest probability; bars are Wilson's "
            f"95 % interval. Expected calibration error {100 * calibration.ece:.1f} points, "
            f"{100 * calibration.ece_before:.1f} without the temperature "
            f"{calibration.temperature:.2f}, which was fitted on the validation images of the "
            "chosen trial. On the dashed line, probabilities mean what they say."
        ),
        x=Axis("probability of the predicted class, %", percent=True, limits=(0, 100)),
        y=Axis("right, %", percent=True, limits=(0, 100)),
        series=[
            Series("as sure as right", [0.0, 1.0], [0.0, 1.0], "grey", dashed=True),
            Series(
                "the model",
                [each.confidence for each in bins],
                [each.accuracy for each in bins],
                "blue",
                style="points",
                low=[interval.low or 0.0 for interval in intervals],
                high=[interval.high or 0.0 for interval in intervals],
            ),
        ],
    )


Matrix = list[list[int]]


def confusion(place: Place, cell: Cell, final: FinalFile) -> list[Block]:
    """Show the confusion matrix, the most confused pairs and, if the data are here, images."""
    matrix = final.confusion or []
    chart = HeatMap(
        name=f"{place.stem}-confusion",
        title="Confusion matrix",
        caption="Test images of the first seed: true class down, predicted class across.",
        x_title="predicted class",
        y_title="true class",
        x_labels=final.classes,
        y_labels=final.classes,
        panels=[Panel("", [[float(count) for count in row] for row in matrix])],
        scale="count",
    )
    pairs = confused_pairs(matrix)
    if not pairs:
        return [chart]
    gallery = confused_images(place, cell, pairs)
    table = pair_table(place, final.classes, matrix, pairs)
    return [chart, table, gallery] if gallery else [chart, table]


def confused_pairs(matrix: Matrix) -> list[tuple[int, int, int]]:
    """Return (true class, predicted class, number of images), the most confused first."""
    pairs = [
        (i, j, count)
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:MOST_PAIRS]


def pair_table(
    place: Place, classes: list[str], matrix: Matrix, pairs: list[tuple[int, int, int]]
) -> Table:
    columns = [
        Column("true", "True class"),
        Column("predicted", "Predicted"),
        Column("images", "Images", "count"),
        Column("share", "Of the true class, %", "share"),
    ]
    rows: list[list[Value]] = [
        [classes[i], classes[j], count, count / sum(matrix[i])] for i, j, count in pairs
    ]
    caption = "The most confused pairs of classes, test images of the first seed."
    return Table(f"{place.stem}-pairs", caption, columns, rows)
