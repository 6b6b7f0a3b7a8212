"""Write the model card, which is the README.md of a model folder.

Names of classes and titles come from users, so the template escapes every value.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from pipeline.base.statistics import wilson_interval
from pipeline.base.text import count, markdown, printable
from pipeline.deployment.description import Description
from pipeline.deployment.speed import Cost
from pipeline.settings.schema import OBJECTIVE_TITLES, Config
from pipeline.trials.contract import FinalFile

MOST_PAIRS = 5
MOST_CLASSES = 5
_PILLOW = "antialiased, as Pillow does"


class _Row(NamedTuple):
    """The test images of a class, and how many of them were right."""

    name: str
    images: int
    right: int


def card(cfg: Config, description: Description, final: FinalFile, cost: Cost) -> str:
    """Return the text of the card, in Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.deployment"),
        autoescape=True,
        finalize=_shown,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["percent"] = _percent
    matrix = final.confusion or []
    rows = [
        _Row(name, sum(row), row[label])
        for label, (name, row) in enumerate(zip(final.classes, matrix, strict=False))
    ]
    wrong = [row for row in rows if row.right < row.images]
    confused = [
        (shown, rows[i], final.classes[j])
        for i, row in enumerate(matrix)
        for j, shown in enumerate(row)
        if shown and i != j
    ]
    return environment.get_template("card.md.jinja").render(
        cfg=cfg,
        description=description,
        final=final,
        cost=cost,
        images=final.images,
        rows=rows,
        worst=sorted(wrong, key=lambda row: (row.right / row.images, -row.images))[:MOST_CLASSES],
        confused=sorted(confused, key=lambda pair: -pair[0])[:MOST_PAIRS],
        steps=preprocessing(description),
        choice="the fixed scheme"
        if final.strategy == "fixed"
        else f"found by {final.strategy}, best by validation {OBJECTIVE_TITLES[cfg.objective]}",
        count=count,
        interval=_interval,
    )


def _shown(value: object) -> Markup:
    """Escape a value for terminals and for Markdown, unless the template marks it as safe."""
    return value if isinstance(value, Markup) else Markup(markdown(printable(value)))


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _interval(correct: int, images: int) -> str:
    interval = wilson_interval(correct, images)
    return f"{100 * (interval.low or 0):.2f} to {100 * (interval.high or 0):.2f} %"


def preprocessing(description: Description) -> Iterator[str]:
    """Yield a sentence for each step of preprocessing an image."""
    how = description.decoding
    yield "Decode to RGB with 8 bits a channel, upright by its EXIF tag, white behind transparency."
    if how.white:
        yield f"In images of 16 bits a channel, {how.white} counts as white."
    if how.crop_bottom:
        yield f"Cut {how.crop_bottom} rows from the bottom."
    if how.side:
        yield f"Resize a short side above {how.side} px to {how.side} px (bilinear, {_PILLOW})."
    kind = "without antialiasing, as OpenCV does" if description.resize == "opencv" else _PILLOW
    yield f"Resize the short side to {description.resize_size} px (bilinear, {kind})."
    yield f"Cut the {description.image_size} x {description.image_size} px centre."
    yield (
        f"Pass the values 0 to 255 as float32 `[N, 3, {description.image_size}, "
        f"{description.image_size}]`; `model.onnx` normalises them itself."
    )
