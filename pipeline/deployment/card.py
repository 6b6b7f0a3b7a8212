"""Write the model card, which is the README.md of a model folder.

Names of classes and titles come from users, so they are escaped.
"""

from collections.abc import Iterator, Sequence

from pipeline.base.statistics import wilson_interval
from pipeline.base.text import count, printable
from pipeline.base.text import markdown as escaped
from pipeline.deployment.description import Description
from pipeline.deployment.pixels_graph import PIXELS
from pipeline.deployment.predictor import (
    DESCRIPTION,
    EXAMPLE,
    ONNX,
    WEIGHTS,
    WITH_PREPROCESSING,
)
from pipeline.deployment.speed import Cost
from pipeline.settings.schema import Config
from pipeline.trials.contract import FinalFile

MOST_PAIRS = 5
MOST_CLASSES = 5
_PILLOW = "antialiased, as Pillow does"
USE = """\
```
pip install onnxruntime numpy Pillow
python example.py photo.jpg
```

```python
from example import Classifier

classifier = Classifier("model.onnx")
for name, probability in classifier.classify("photo.jpg")[:3]:
    print(name, probability)
```
"""


def card(cfg: Config, description: Description, final: FinalFile, cost: Cost) -> str:
    """Return the text of the card, in Markdown."""
    sections = {
        "Use it": _use(cfg),
        "How good it is": _accuracy(final),
        "Where it fails": _failures(final),
        "How sure it is": _sureness(final),
        "What it does to an image": "\n".join(
            f"{number}. {step}" for number, step in enumerate(preprocessing(description), start=1)
        ),
        "What it takes": _cost(cost),
        "Where it comes from": _origin(cfg, description, final),
        "Accuracy of every class": _classes(final),
    }
    return "\n\n".join([
        f"# {_shown(description.title)}: image classifier",
        f"{_shown(final.model_title)}, fine-tuned to tell {len(final.classes):,} classes apart.",
        *(f"## {title}\n\n{text.rstrip()}" for title, text in sections.items()),
    ]) + "\n"  # fmt: skip


def _shown(text: str) -> str:
    """Escape text from users, for terminals and for Markdown."""
    return escaped(printable(text))


def _use(cfg: Config) -> str:
    whole = (
        f" `{WITH_PREPROCESSING}` takes `{PIXELS}`, one decoded image as uint8 `[H, W, 3]`, and "
        "resizes and crops it itself; each of its resizes may differ by 1 of 255, and the figures "
        f"below are those of `{ONNX}`."
    )
    return (
        f"{USE}\n`{EXAMPLE}` needs those three packages and nothing else. `{ONNX}` holds the "
        f"network, the class names and the preprocessing's numbers; `{WEIGHTS}` and "
        f"`{DESCRIPTION}` are the same for PyTorch (timm's names of layers). None of them runs "
        "code when it is read."
        f"{whole if cfg.evaluate.onnx_with_preprocessing else ''}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _interval(correct: int, images: int) -> str:
    interval = wilson_interval(correct, images)
    return f"{100 * (interval.low or 0):.2f} to {100 * (interval.high or 0):.2f} %"


def _accuracy(final: FinalFile) -> str:
    images = final.images.test
    correct = round(final.top1[0] * images)
    others = ""
    if len(final.top1) > 1:
        each = ", ".join(_percent(top1) for top1 in final.top1)
        others = f" Trained again with other seeds: {each} (this model first)."
    return (
        f"**{_percent(final.top1[0])}** of {count(images, 'test image')} right (95 % interval "
        f"{_interval(correct, images)}, Wilson). The mean accuracy of the classes is "
        f"{_percent(final.mean_class[0])}. Measured on `{ONNX}` itself, on images that played no "
        f"part in training or in choosing its settings. A random guess is right for "
        f"{_percent(final.chance)}. The largest class, {_shown(final.majority_class)}, as the only "
        f"answer is right for {_percent(final.majority)}.{others}"
    )


def _failures(final: FinalFile) -> str:
    matrix = final.confusion or []
    names = [_shown(name) for name in final.classes]
    rows = [(sum(row), row[label], label) for label, row in enumerate(matrix) if sum(row)]
    worst = sorted(rows, key=lambda row: (row[1] / row[0], -row[0]))[:MOST_CLASSES]
    lines = [
        f"- {names[label]}: {right} of {images} right ({_interval(right, images)})"
        for images, right, label in worst
        if right < images
    ]
    pairs = sorted(
        ((shown, i, j) for i, row in enumerate(matrix) for j, shown in enumerate(row) if i != j),
        key=lambda pair: -pair[0],
    )[:MOST_PAIRS]
    confused = [
        f"- {names[i]} is taken for {names[j]}: {shown} of {sum(matrix[i])}"
        for shown, i, j in pairs
        if shown
    ]
    parts = []
    if lines:
        parts += ["The classes that are right least often:", "\n".join(lines)]
        parts += ["The pairs that are confused most often:", "\n".join(confused)]
    else:
        parts += ["No test image was wrong. More test images would show where it fails."]
    return "\n\n".join([
        *parts,
        "A picture of something else still gets one of these classes. Pictures that differ from "
        "the training images (another camera, background or crop) were not tested.",
    ])  # fmt: skip


def _sureness(final: FinalFile) -> str:
    measured = final.calibration
    if measured is None:
        return "Not measured."
    rows = [
        [
            f"{100 * each.low:.0f} to {100 * each.high:.0f} %",
            f"{each.images:,}",
            _percent(each.confidence),
            _percent(each.accuracy),
        ]
        for each in measured.bins
    ]
    return (
        f"Logits are divided by a temperature of {measured.temperature:.3f} before they become "
        "probabilities. It was fitted on the validation images, with a network that was not "
        f"trained on them. Expected calibration error on the test images: {100 * measured.ece:.1f} "
        f"points ({100 * measured.ece_before:.1f} without it).\n\n"
        + _table(["Probability", "Test images", "Mean probability", "Right"], rows)
    )


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
        f"{description.image_size}]`; `{ONNX}` normalises them itself."
    )


def _cost(cost: Cost) -> str:
    return (
        f"`{ONNX}`: {cost.megabytes:.1f} MB. Without decoding, {cost.alone_ms:.1f} ms for an image "
        f"alone and {cost.batch_ms:.1f} ms for an image in a batch, on {_shown(cost.machine)}, "
        "with onnxruntime. Measured once, when this folder was written; other work on the machine "
        "slows it."
    )


def _origin(cfg: Config, description: Description, final: FinalFile) -> str:
    images = final.images
    own = "not stated; set `dataset.licence` in params.yaml to state it here"
    none = "no weights to start from" if cfg.model.weights == "none" else "not stated"
    point = ", ".join(f"{name} {value}" for name, value in description.point.items())
    facts = {
        "Data": f"{_shown(description.title)}: {images.train + images.val:,} images to train "
        f"(validation included), {images.test:,} to test",
        "Digest of the data": f"`{description.data_digest}`",
        "Licence of the data": _shown(cfg.dataset.licence) or own,
        "Weights it started from": _shown(f"{cfg.model.weights} ({cfg.model.note})"),
        "Licence of these weights": _shown(cfg.model.licence) or none,
        "Key of its training": f"`{description.key}`",
        "Settings": _shown(point),
        "Trained with": ", ".join(f"{name} {text}" for name, text in description.versions.items()),
    }
    notes = [f"- {_shown(note)}" for note in final.data_notes]
    return "\n".join([*(f"- {name}: {text}" for name, text in facts.items()), *notes])


def _classes(final: FinalFile) -> str:
    rows: list[list[str]] = []
    for name, row in zip(final.classes, final.confusion or [], strict=False):
        images, right = sum(row), row[len(rows)]
        figures = [_percent(right / images), _interval(right, images)] if images else ["–", "–"]
        rows.append([_shown(name), f"{images:,}", *figures])
    return _table(["Class", "Test images", "Right", "95 % interval"], rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
