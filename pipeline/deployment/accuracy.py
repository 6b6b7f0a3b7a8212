"""Compute the accuracy of predictions on labelled images, with Wilson intervals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.base.statistics import Interval, wilson_interval

ALL = "(all)"


@dataclass(frozen=True)
class ClassAccuracy:
    """The number of images, and how many were right, for one class or for all."""

    name: str
    images: int
    correct: int

    @property
    def interval(self) -> Interval:
        return wilson_interval(self.correct, self.images)

    def plain(self) -> dict[str, Any]:
        share = self.interval
        return {
            "class": self.name,
            "images": self.images,
            "correct": self.correct,
            "accuracy": share.mean,
            "low": share.low,
            "high": share.high,
        }


@dataclass(frozen=True)
class Accuracy:
    """The accuracy over the images that got a class."""

    overall: ClassAccuracy
    classes: list[ClassAccuracy]
    unsure: int
    """Number of images without a class, because no probability was high enough."""

    def plain(self) -> dict[str, Any]:
        per_class = [each.plain() for each in self.classes]
        plain = self.overall.plain() | {"unsure": self.unsure, "per_class": per_class}
        return {name: value for name, value in plain.items() if name != "class"}


def accuracy(pairs: Sequence[tuple[str, str]], unsure: int = 0) -> Accuracy:
    """Compute the accuracy of (true class, predicted class) pairs; there must be at least one.

    The classes are in order of appearance.
    """
    right: dict[str, list[bool]] = defaultdict(list)
    for true, predicted in pairs:
        right[true].append(true == predicted)
    classes = [ClassAccuracy(name, len(hits), sum(hits)) for name, hits in right.items()]
    correct = sum(each.correct for each in classes)
    return Accuracy(ClassAccuracy(ALL, len(pairs), correct), classes, unsure)
