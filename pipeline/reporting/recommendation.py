"""Compose the answer for each dataset: the best setting, its accuracy, its cost and the model."""

from collections.abc import Sequence

from pipeline.base.statistics import wilson_interval
from pipeline.base.text import count
from pipeline.reporting.accuracy_context import guessing, opened
from pipeline.reporting.cell_groups import Place, describe, how_measured, wording
from pipeline.reporting.cell_tables import same_as
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
    same = [cell, *(place.cells[name] for name in same_as(cell, list(place.cells.values())))]
    found_by = [each for each in same if each.name.strategy != "fixed"]
    lines = [
        ("Setting to use", f"{describe(cell.best.point)} ({_origin(same)})"),
        ("Test accuracy", accuracy(cell, final)),
    ]
    if cell.best.chosen_by == "mean_class" and (mean := cell.mean("mean_class")):
        chosen = f"the setting was chosen by {wording(cell.best.choice).choice}"
        text = f"{show(mean, 'share')} % on the test images; {chosen}"
        lines.append(("Mean of the classes", text))
    difference, words = gain(place, strategy)
    if difference is not None:
        points = f"{show(difference, 'points')} points (paired by seed and image), {words}"
        lines.append(("Gain over the fixed scheme", points))
    if found_by:
        lines.append(("Cost of the search", f"{_took(found_by)} of device time"))
    if folder := cell.model_folder:
        lines.append(("Model", f"`{folder}`"))
        lines.append(("Classify an image", f"`{PROGRAM} predict {folder} IMAGE`"))
    lines += [("Without training", guessing(final)), ("Test split opened", opened(cell))]
    return Facts(lines)


def _origin(cells: Sequence[Cell]) -> str:
    """Say which strategies chose a point: those of ``cells``."""
    names = [cell.name.strategy for cell in cells]
    searches = " and ".join(each for each in names if each != "fixed")
    if "fixed" not in names:
        return f"found by {searches}"
    return "the fixed scheme" + (f", also found by {searches}" if searches else "")


def _took(cells: Sequence[Cell]) -> str:
    """Say what each of these searches took; it is named if there are several."""
    return "; ".join(
        (f"{cell.name.strategy} " if len(cells) > 1 else "")
        + f"{count(len(cell.trials), 'trial')}, {show(cell.seconds, 'duration')}"
        for cell in cells
    )


def accuracy(cell: Cell, final: FinalFile) -> str:
    """Describe a setting's test accuracy, its 95 % interval and the accuracy of every refit.

    A single refit has Wilson's interval over its test images, as its model card has.
    """
    top1 = cell.top1
    assert top1 is not None
    seeds = [show(each, "share") for each in final.top1]
    images = final.images.test
    refits = f"refits {', '.join(seeds)}" if len(seeds) > 1 else "one training"
    if len(seeds) == 1 and final.protocol == "heldout":
        top1 = wilson_interval(round(top1.mean * images), images)
        refits = "one training; the interval covers other test images, but no other seed"
    sure = ""
    if top1.low is not None and top1.high is not None:
        sure = f", with 95 % confidence {show(top1.low, 'share')} to {show(top1.high, 'share')} %"
    if len(seeds) > 1 and cell.model_folder:
        refits += "; the model is the first"
    return f"{show(top1.mean, 'share')} % of {images:,} images{sure} ({refits})"


def answer_table(places: Sequence[Place], *, folders: bool = True) -> Table | None:
    """Tabulate the answers, one row per dataset; None if no cell is evaluated.

    Of several models, the one whose point was the best on the images to choose by is used.
    ``folders`` adds a column with the folders of models.
    """
    best: dict[str, tuple[Place, Cell]] = {}
    for place in places:
        cell, known = final_cell(place), best.get(place.dataset)
        if cell and (known is None or cell.best.objective > known[1].best.objective):
            best[place.dataset] = (place, cell)
    if not best:
        return None
    words = wording(*(cell.best.choice for place in places for cell in place.cells.values()))
    several = len({place.model for place in places}) > 1
    figures: list[Figure[tuple[Place, Cell]]] = [
        (Column("dataset", "Dataset"), lambda each: each[0].dataset_title),
        *([(Column("network", "Network"), lambda each: each[0].model_title)] if several else []),
        (Column("setting", "Setting to use"), lambda each: describe(each[1].best.point)),
        (Column("top1", "Test top-1 %", "share"), lambda each: each[1].top1),
        (
            Column("gain", "Over fixed, points", "points"),
            lambda each: gain(each[0], each[1].name.strategy)[0],
        ),
        *(
            [(Column("model", "Where the model is"), lambda each: each[1].model_folder)]
            if folders
            else []
        ),
    ]
    caption = (
        f"What to use: the setting with the best {words.choice} of all strategies"
        f"{' and networks' if several else ''}. Test top-1: "
        f"{how_measured(cell for _, cell in best.values())}."
    )
    return tabulated("answers", caption, figures, list(best.values()))


def strategy_table(place: Place, *, readings: bool = True) -> Table:
    """Tabulate the point, accuracy and cost of each strategy on one dataset and model.

    ``readings`` adds a column of long sentences.
    """
    chosen = wording(*(cell.best.choice for cell in place.cells.values()))
    gains = {name: gain(place, name) for name in place.cells}
    compared = any(interval is not None for interval, _ in gains.values())
    against: list[Figure[Cell]] = [
        (Column("gain", "Over fixed, points", "points"), lambda c: gains[c.name.strategy][0]),
        (Column("reading", "Reading"), lambda c: gains[c.name.strategy][1]),
    ]
    figures: list[Figure[Cell]] = [
        (Column("strategy", "Strategy"), lambda c: look_of(c.name.strategy).title),
        (Column("setting", "Setting"), lambda c: describe(c.best.point)),
        (Column("top1", "Test top-1 %", "share"), lambda c: c.top1),
        *(against[: 2 if readings else 1] if compared else []),
        (Column("trials", "Trials", "count"), lambda c: len(c.trials)),
        (Column("seconds", "Device time", "duration"), lambda c: c.seconds),
    ]
    caption = (
        f"What each strategy chose by {chosen.choice}. Test top-1: "
        f"{how_measured(place.cells.values())}. Trials and device time are those of the search "
        "alone."
    )
    return tabulated("strategies", caption, figures, place.cells.values())


def cost(cells: Sequence[Cell]) -> Text:
    """Describe what the searches of each strategy cost over all datasets."""
    parts = []
    for strategy in ordered({cell.name.strategy for cell in cells}):
        its = [cell for cell in cells if cell.name.strategy == strategy]
        time = show(sum(cell.seconds for cell in its), "duration")
        parts.append(f"{strategy} {count(sum(len(cell.trials) for cell in its), 'trial')}, {time}")
    return Text(f"Cost of all searches, in device time: {'; '.join(parts)}.")


def surprises(cells: Sequence[Cell]) -> Text | None:
    """Explain the cells where validation and test differ by more than the test's interval."""
    apart = []
    several = len({cell.name.model for cell in cells}) > 1
    for cell in cells:
        validation, test = cell.best.objective, cell.top1
        if cell.best.choice != ("heldout", "top1") or not test or test.low is None:
            continue
        if not test.low <= validation <= (test.high or 0.0):
            shown = f"{100 * validation:.2f} and {100 * test.mean:.2f} %"
            model = f"{cell.model_title}, " if several else ""
            apart.append(f"{cell.dataset_title}, {model}{cell.name.strategy} ({shown})")
    if not apart:
        return None
    more = f" and {len(apart) - 4} more" if len(apart) > 4 else ""
    return Text(
        "Validation and test differ by more than the test's interval for "
        f"{'; '.join(apart[:4])}{more}. This is expected and not a fault: the test split has other "
        "images, the refits train on the validation images too, and the best of many noisy "
        "validations is partly luck. Only the test accuracy says how good a setting is."
    )
