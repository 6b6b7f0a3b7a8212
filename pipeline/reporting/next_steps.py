"""Say what to do next with a dataset: at most five sentences, each from a rule with its figure."""

from collections.abc import Callable

import numpy as np

from pipeline.base.statistics import wilson_interval
from pipeline.base.text import count, printable
from pipeline.reporting.cell_groups import Place
from pipeline.reporting.document import Items, Section
from pipeline.reporting.model_section import final_cell
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import show
from pipeline.settings.point import FLAGS, HYPERPARAMETERS
from pipeline.trials.contract import FinalFile

MOST = 5
_FEW_IMAGES = 3
"""A pair of classes that is confused less often than this is no pattern."""


def next_steps(place: Place) -> Section | None:
    """Compose the section; None if no cell is evaluated or no rule applies."""
    cell = final_cell(place)
    if cell is None or cell.final is None:
        return None
    sentences = {rule: text for rule in RULES if (text := rule(cell, cell.final))}
    if guesses in sentences:  # the errors of such a model say little about single classes
        sentences = {rule: sentences[rule] for rule in sentences if rule not in ABOUT_CLASSES}
    if not sentences:
        return None
    return Section("What next", f"next-{place.stem}", [Items(list(sentences.values())[:MOST])])


def edge(cell: Cell, final: FinalFile) -> str | None:
    """Say that the best value of a hyperparameter lies at an end of the space."""
    space = cell.best.space or {}
    for name, shown in HYPERPARAMETERS.items():
        values = sorted(space.get(name, ()))
        value = getattr(cell.best.point, name)
        if name in FLAGS or len(values) < 2 or value not in (values[0], values[-1]):
            continue
        side, word = ("largest", "larger") if value == values[-1] else ("smallest", "smaller")
        return (
            f"The best {shown.words}, {value:g}, is the {side} of the {len(values)} in `space`: "
            f"add {word} values and run again; finished trials are replayed."
        )
    return None


def indistinct(cell: Cell, final: FinalFile) -> str | None:
    """Say how many settings lie within the interval of the best one's validation accuracy."""
    images = final.images.val
    best = cell.chosen.top1
    if cell.best.choice != ("heldout", "top1") or best is None or not images:
        return None
    low = wilson_interval(round(best * images), images).low or 0.0
    measured = [row.top1 for row in cell.trials if row.status == "finished" and row.top1]
    alike = sum(top1 >= low for top1 in measured)
    if alike < 2:
        return None
    return (
        f"On {images:,} validation images the 95 % interval of the best setting begins at "
        f"{100 * low:.2f} %, and {alike} of {len(measured)} settings lie within it: the choice "
        "among them is partly luck, which more validation images would lessen "
        "(`dataset.val_fraction`, unless the images have a validation split of their own)."
    )


def more_images(cell: Cell, final: FinalFile) -> str | None:
    """Say whether more images would help, by the learning curve over training images."""
    curve, images = final.learning_curve, final.images.val
    if len(curve) < 2 or not images:
        return None
    part, whole = curve[-2:]
    interval = wilson_interval(round(whole.top1 * images), images)
    helps = whole.top1 - part.top1 > (interval.half_width or 0.0)
    promise = (
        "more images of the same kind are likely to help"
        if helps
        else f"that is within the noise of {images:,} validation images, so more images of the "
        "same kind promise little"
    )
    return (
        f"Trained on {part.images:,} of the {whole.images:,} training images, the same setting has "
        f"{100 * part.top1:.2f} % on validation instead of {100 * whole.top1:.2f} %: {promise}."
    )


def conflicts(cell: Cell, final: FinalFile) -> str | None:
    """Say how many images have two labels."""
    number = final.two_labels
    if not number:
        return None
    stand = (
        "stands under two labels, so one of them"
        if number == 1
        else "stand under two labels, so one label of each"
    )
    return (
        f"{count(number, 'image')} {stand} is wrong: correct the labels first; `stats.json` beside "
        "the prepared data names the files."
    )


def guesses(cell: Cell, final: FinalFile) -> str | None:
    """Say that the model is not shown to be better than an answer without training.

    By mean accuracy per class that answer is chance, otherwise always the largest class.
    """
    mean = cell.mean("mean_class") if cell.best.choice == ("heldout", "mean_class") else None
    if mean is not None:
        if (mean.mean if mean.low is None else mean.low) > final.chance:
            return None
        figures = (
            f"guessing: the mean accuracy of its classes is {show(mean, 'share')} %, by chance it "
            f"is {100 * final.chance:.2f} %"
        )
    else:
        images = final.images.test
        low = wilson_interval(round(final.top1[0] * images), images).low or 0.0
        if low > final.majority:
            return None
        figures = (
            f"always answering {printable(final.majority_class)}: this is right for "
            f"{100 * final.majority:.2f} % of the {images:,} test images, and the 95 % interval of "
            f"the model begins at {100 * low:.2f} %"
        )
    return (
        f"The model is not shown to be better than {figures}. Give the trials more epochs "
        "(`recipe.epochs`; raise `search.max_hours` with it, if it is set) or more images."
    )


def most_confused(cell: Cell, final: FinalFile) -> str | None:
    """Name the pair of classes that is confused most often, in either direction."""
    matrix = np.array(final.confusion or [[0]])
    np.fill_diagonal(matrix, 0)
    both = np.triu(matrix + matrix.T)
    first, second = (int(i) for i in np.unravel_index(int(both.argmax()), both.shape))
    images, errors = int(both[first, second]), int(matrix.sum())
    if images < _FEW_IMAGES:
        return None
    one, other = (printable(final.classes[i]) for i in (first, second))
    return (
        f"{images:,} of the {errors:,} errors on the test split confuse {one} and {other}: look "
        "at these images for wrong labels. If people confuse the two as well, make them one class."
    )


def weakest_class(cell: Cell, final: FinalFile) -> str | None:
    """Name the class with the lowest accuracy if it also has fewer images than most."""
    rows = [row for row in final.per_class if row.images and row.top1 is not None]
    if len(rows) < 3:
        return None
    worst = min(rows, key=lambda row: (row.top1, row.images, row.name))
    median = float(np.median([row.images for row in rows]))
    if worst.images >= median or worst.top1 is None:
        return None
    balanced = cell.best.recipe.get("class_balance", "none") != "none"
    remedy = "" if balanced else ", or set `recipe.class_balance`"
    return (
        f"{printable(worst.name)} has the lowest accuracy, {100 * worst.top1:.2f} %, and fewer "
        f"test images ({worst.images:,}) than most classes (median {median:,.0f}): collect more of "
        f"it{remedy}."
    )


Rule = Callable[[Cell, FinalFile], str | None]
ABOUT_CLASSES: tuple[Rule, ...] = (most_confused, weakest_class)
"""The rules about single classes."""
RULES: tuple[Rule, ...] = (
    conflicts,
    guesses,
    more_images,
    edge,
    indistinct,
    *ABOUT_CLASSES,
)
"""The rules, the most useful first."""
