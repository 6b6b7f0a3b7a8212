"""Compose the answer for each dataset: the best setting, its accuracy, its cost and the model."""

from collections.abc import Sequence

from pipeline.base.statistics import Interval
from pipeline.base.text import count
from pipeline.reporting.accuracy_context import guessing, opened
from pipeline.reporting.cell_groups import Place, describe, place_title, wording
from pipeline.reporting.charts import look_of, ordered
from pipeline.reporting.comparisons import gain
from pipeline.reporting.document import Facts, Text
from pipeline.reporting.model_section import final_cell
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Figure, Table, show, tabulated
from pipeline.settings.folders import PROGRAM
from pipeline.trials.contract import FinalFile


def answer(place: Place) -> Facts | None:
    """Compose the answer for one dataset and model; None if none of its cells is evaluated."""
    cell = final_cell(place)
    if cell is None or cell.final is None:
        return None
    final, strategy = cell.final, cell.name.strategy
    lines = [
        ("Setting to use", f"{describe(cell.best.point)} (found by {strategy})"),
        ("Test accuracy", accuracy(final, cell.top1)),
    ]
    difference, words = gain(place, strategy)
    if difference is not None:
        points = f"{show(difference, 'points')} points (paired by seed and image), {words}"
        lines.append(("Gain over the fixed scheme", points))
    took = f"{count(len(cell.trials), 'training')}, {show(cell.seconds, 'duration')}"
    lines.append(("Cost of the search", f"{took} of device time"))
    if folder := cell.model_folder:
        lines.append(("Model", f"`{folder}`"))
        lines.append(("Classify an image", f"`{PROGRAM} predict {folder} IMAGE`"))
    lines += [("Without training", guessing(final)), ("Test split opened", opened(cell))]
    return Facts(lines)


def accuracy(final: FinalFile, top1: Interval | None) -> str:
    """Describe a setting's test accuracy, its 95 % interval and the accuracy of every refit."""
    assert top1 is not None
    seeds = [show(each, "share") for each in final.top1]
    sure = ""
    if top1.low is not None and top1.high is not None:
        sure = f", with 95 % confidence {show(top1.low, 'share')} to {show(top1.high, 'share')} %"
    refits = f"refits {', '.join(seeds)}" if len(seeds) > 1 else "one training"
    return f"{show(top1.mean, 'share')} % of {final.images.test:,} images{sure} ({refits})"


def answer_table(places: Sequence[Place]) -> Table | None:
    """Tabulate the answers, one row per dataset and model; None if no cell is evaluated."""
    heading, title = place_title(places)
    answers = [(place, cell) for place in places if (cell := final_cell(place))]
    if not answers:
        return None
    words = wording(*(cell.best.choice for place in places for cell in place.cells.values()))
    figures: list[Figure[tuple[Place, Cell]]] = [
        (heading, lambda each: title(each[0])),
        (Column("setting", "Setting to use"), lambda each: describe(each[1].best.point)),
        (Column("top1", "Test top-1 %", "share"), lambda each: each[1].top1),
        (
            Column("gain", "Over fixed, points", "points"),
            lambda each: gain(each[0], each[1].name.strategy)[0],
        ),
        (Column("model", "Where the model is"), lambda each: each[1].model_folder),
    ]
    caption = (
        f"What to use: the setting with the best {words.choice} of all strategies. Test top-1: "
        f"{words.test}."
    )
    return tabulated("answers", caption, figures, answers)


def strategy_table(place: Place, *, readings: bool = True) -> Table:
    """Tabulate the point, accuracy and cost of each strategy on one dataset and model.

    ``readings`` adds a column of long sentences.
    """
    chosen = wording(*(cell.best.choice for cell in place.cells.values()))
    gains = {name: gain(place, name) for name in place.cells}
    figures: list[Figure[Cell]] = [
        (Column("strategy", "Strategy"), lambda c: look_of(c.name.strategy).title),
        (Column("setting", "Setting"), lambda c: describe(c.best.point)),
        (Column("top1", "Test top-1 %", "share"), lambda c: c.top1),
        (Column("gain", "Over fixed, points", "points"), lambda c: gains[c.name.strategy][0]),
        *(
            [(Column("reading", "Reading"), lambda c: gains[c.name.strategy][1])]
            if readings
            else []
        ),
        (Column("trials", "Trainings", "count"), lambda c: len(c.trials)),
        (Column("seconds", "Device time", "duration"), lambda c: c.seconds),
    ]
    caption = (
        f"What each strategy chose by {chosen.choice}. Test top-1: "
        f"{chosen.test}. Trainings and device time cover the search alone. A replayed trial counts "
        "the time that its training took."
    )
    return tabulated("strategies", caption, figures, place.cells.values())


def cost(cells: Sequence[Cell]) -> Text:
    """Describe what the searches of each strategy cost over all datasets."""
    parts = []
    for strategy in ordered({cell.name.strategy for cell in cells}):
        its = [cell for cell in cells if cell.name.strategy == strategy]
        time = show(sum(cell.seconds for cell in its), "duration")
        parts.append(f"{strategy} {sum(len(cell.trials) for cell in its):,} trainings, {time}")
    return Text(f"Cost of all searches, in device time: {'; '.join(parts)}.")


def surprises(cells: Sequence[Cell]) -> Text | None:
    """Explain the cells where validation and test differ by more than the test's interval."""
    apart = []
    for cell in cells:
        validation, test = cell.best.objective, cell.top1
        if cell.best.choice != ("heldout", "top1") or not test or test.low is None:
            continue
        if not test.low <= validation <= (test.high or 0.0):
            shown = f"{100 * validation:.2f} and {100 * test.mean:.2f} %"
            apart.append(f"{cell.dataset_title}, {cell.name.strategy} ({shown})")
    if not apart:
        return None
    more = f" and {len(apart) - 4} more" if len(apart) > 4 else ""
    return Text(
        "Validation and test differ by more than the test's interval for "
        f"{'; '.join(apart[:4])}{more}. This is expected and not a fault: the test split has other "
        "images, the refits train on the validation images too, and the best of many noisy "
        "validations is partly luck. Only the test accuracy says how good a setting is."
    )
