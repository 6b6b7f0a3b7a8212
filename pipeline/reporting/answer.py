"""Compose the answer for each dataset: the best setting, its accuracy and cost, and the model."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reporting.beside import guessing, opened
from pipeline.reporting.cell_tables import STRATEGY_TITLES, ordered
from pipeline.reporting.comparisons import gain
from pipeline.reporting.document import Facts, Text
from pipeline.reporting.model_section import final_cell
from pipeline.reporting.places import Place, describe, wording
from pipeline.reporting.summary import CellSummary
from pipeline.reporting.tables import Column, Table, Value, show
from pipeline.settings.folders import PROGRAM


def answer(place: Place, summaries: Sequence[CellSummary]) -> Facts | None:
    """Compose the answer for one dataset and model; None before a cell is evaluated."""
    cell = final_cell(place)
    if cell is None or cell.final is None:
        return None
    final, strategy = cell.final, cell.name.strategy
    [summary] = [each for each in summaries if each.name == cell.name]
    lines = [
        ("Setting to use", f"{describe(cell.best.point)} (found by {strategy})"),
        ("Test accuracy", accuracy(summary, final.images.test)),
    ]
    lines += [
        (name, text)
        for name, text in (
            ("Without learning", guessing(summary)),
            ("Test split opened", opened(summary)),
        )
        if text
    ]
    difference, words = gain(place, strategy, "fixed")
    if difference is not None and strategy != "fixed":
        points = f"{show(difference, 'points')} points, paired by seed and image: {words}"
        lines.append(("Gain over the fixed scheme", points))
    if final.protocol == "heldout":
        folder = (cell.folder / "model").as_posix()
        lines.append(("Model", f"`{folder}`"))
        lines.append(("Classify an image", f"`{PROGRAM} predict {folder} IMAGE`"))
    return Facts(lines)


def accuracy(summary: CellSummary, images: int) -> str:
    """Say how good a setting is and how sure that is, with the accuracy of every refit."""
    assert summary.top1 is not None
    top1, seeds = summary.top1, [show(each, "share") for each in summary.seed_top1]
    sure = ""
    if top1.low is not None and top1.high is not None:
        sure = f", with 95 % confidence {show(top1.low, 'share')} to {show(top1.high, 'share')} %"
    refits = f"refits {', '.join(seeds)}" if len(seeds) > 1 else "one training"
    return f"{show(top1.mean, 'share')} % of {images:,} images{sure} ({refits})"


def answer_table(places: Sequence[Place], summaries: Sequence[CellSummary]) -> Table | None:
    """Make a row with the answer for each dataset and model; None before a cell is evaluated."""
    by_name = {summary.name: summary for summary in summaries}
    several = len({place.model for place in places}) > 1
    rows: list[list[Value]] = []
    for place in places:
        cell = final_cell(place)
        if cell is None or cell.final is None:
            continue
        summary, strategy = by_name[cell.name], cell.name.strategy
        difference = None if strategy == "fixed" else gain(place, strategy, "fixed")[0]
        model = (cell.folder / "model").as_posix() if summary.protocol == "heldout" else None
        title = place.title if several else place.dataset_title
        rows.append([title, describe(summary.point), summary.top1, difference, model])
    if not rows:
        return None
    words = wording(*(summary.choice for summary in summaries))
    columns = [
        Column("place", "Dataset, model" if several else "Dataset"),
        Column("setting", "Setting to use"),
        Column("top1", "Test top-1 %", "share"),
        Column("gain", "Over fixed, points", "points"),
        Column("model", "Where the model is"),
    ]
    caption = (
        f"What to use: the setting with the best {words.choice} of all strategies. Test top-1: "
        f"{words.test}."
    )
    return Table("answers", caption, columns, rows)


def strategy_table(place: Place, summaries: Sequence[CellSummary]) -> Table:
    """Make a table of each strategy's point on one dataset, its accuracy and its cost."""
    chosen = wording(*(s.choice for s in summaries))
    columns = [
        Column("strategy", "Strategy"),
        Column("setting", "Setting"),
        Column("top1", "Test top-1 %", "share"),
        Column("gain", "Over fixed, points", "points"),
        Column("reading", "Reading"),
        Column("trials", "Trainings", "count"),
        Column("seconds", "Device time", "duration"),
    ]
    rows: list[list[Value]] = []
    for summary in summaries:
        name = summary.name.strategy
        difference, words = (None, "") if name == "fixed" else gain(place, name, "fixed")
        row = [STRATEGY_TITLES.get(name, name), describe(summary.point), summary.top1, difference]
        rows.append([*row, words, summary.trials, 3600 * summary.hours])
    caption = (
        f"What each strategy chose by {chosen.choice}. Test top-1: "
        f"{chosen.test}. Trainings and device time are those of the search, each "
        "counted at what it took when it was trained, replayed or not."
    )
    return Table("strategies", caption, columns, rows)


def cost(summaries: Sequence[CellSummary]) -> Text:
    """Say what each strategy cost over all datasets."""
    parts = []
    for strategy in ordered({s.name.strategy for s in summaries}):
        cells = [s for s in summaries if s.name.strategy == strategy]
        time = show(3600 * sum(s.hours for s in cells), "duration")
        parts.append(f"{strategy} {sum(s.trials for s in cells):,} trainings, {time}")
    return Text(f"Cost of all searches, in device time: {'; '.join(parts)}.")


def surprises(summaries: Sequence[CellSummary]) -> Text | None:
    """Explain the cells where validation and test differ by more than the test's interval."""
    apart = []
    for s in summaries:
        if s.choice != ("heldout", "top1"):
            continue
        if s.top1 is None or s.top1.low is None or s.top1.high is None:
            continue
        if not s.top1.low <= s.objective <= s.top1.high:
            shown = f"{100 * s.objective:.2f} and {100 * s.top1.mean:.2f} %"
            apart.append(f"{s.dataset_title}, {s.name.strategy} ({shown})")
    if not apart:
        return None
    more = f" and {len(apart) - 4} more" if len(apart) > 4 else ""
    return Text(
        "Validation and test differ by more than the test's interval for "
        f"{'; '.join(apart[:4])}{more}. This is expected, and no fault: the test split has other "
        "images, the refits train on the validation images too, and the best of many noisy "
        "validations is partly luck. Only the test accuracy says how good a setting is."
    )
