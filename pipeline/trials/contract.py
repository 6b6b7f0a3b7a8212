"""Define the files and table rows that one stage writes and another reads.

They are written with ``model_dump`` and read with ``model_validate``
(:mod:`pipeline.trials.tables`). The columns of a table are the fields of its row, in their order.
Accuracies are fractions from 0 to 1. This module imports neither torch nor MLflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from pipeline.settings.point import Point
from pipeline.settings.schema import Objective
from pipeline.trials.final_parts import Images, Provenance, Replays, SharePoint, Weights
from pipeline.trials.record_types import Count, Protocol, Record, Seconds, Share, Temperature


class Figures(Record):
    """The metrics of one split; a simulated trial has only ``loss`` and ``top1``.

    Only a final trial has ``per_class`` and ``confusion``.
    """

    loss: float
    top1: Share
    top5: Share | None = None
    mean_class: Share | None = None
    paddle_batch_mean: Share | None = None
    per_class: list[Share] | None = None
    confusion: list[list[Count]] | None = None
    temperature: Temperature | None = None
    """Fitted on the split that was measured; only after the last epoch of a search trial."""


class Epoch(Figures):
    epoch: Annotated[int, Field(ge=1)]
    train_loss: float


class TrialResult(Record):
    """The ``result.json`` of a run in the journal, which a replay reads."""

    status: Literal["finished", "diverged"]
    objective: Share
    epoch: Count
    train_loss: float | None
    metrics: Figures | None
    """None when the trial diverged."""
    curve: list[Epoch]
    seconds: Seconds
    fit_seconds: Seconds
    identity: dict[str, Any]
    host: str
    device: str
    hardware: str
    threads: Count
    finished: datetime


class Trial(Record):
    """The ``trial.json`` that each job of a sweep writes."""

    number: Count
    point: Point
    seed: Count
    key: str = ""
    run_id: str = ""
    replayed: bool = False
    result: TrialResult | None = None
    """None when the trial failed."""
    error: str = ""

    @property
    def status(self) -> str:
        return self.result.status if self.result else "failed"


@dataclass(frozen=True)
class Outcome:
    """A finished trial and its run in the journal."""

    key: str
    run_id: str
    replayed: bool
    result: TrialResult
    shared: bool = False
    """Whether the trial was replayed from a run of another sweep."""


class Numbered(Record):
    trial: Count


class TrialRow(Point, Numbered):
    model_config = ConfigDict(extra="ignore", strict=False)

    seed: Count
    status: Literal["finished", "diverged", "failed"]
    objective: Share | None
    top1: Share | None
    top5: Share | None
    mean_class: Share | None
    loss: float | None
    train_loss: float | None
    epoch: Count | None
    key: str

    @model_validator(mode="after")
    def _measured_unless_failed(self) -> TrialRow:
        if (self.objective is None) != (self.status == "failed"):
            raise ValueError(f"a {self.status} trial with objective {self.objective}")
        return self

    @classmethod
    def of(cls, trial: Trial) -> TrialRow:
        return cls.model_validate(
            dict.fromkeys(cls.model_fields)
            | (trial.result.metrics.model_dump() if trial.result and trial.result.metrics else {})
            | (trial.result.model_dump() if trial.result else {})
            | trial.point.model_dump()
            | {"trial": trial.number, "seed": trial.seed, "status": trial.status, "key": trial.key}
        )


class CurveRow(Numbered):
    """Validation metrics after one epoch; ``train_loss`` is the mean over that epoch."""

    epoch: Annotated[int, Field(ge=1)]
    train_loss: float | None
    loss: float | None
    top1: Share | None
    top5: Share | None
    mean_class: Share | None

    @classmethod
    def all_of(cls, trial: Trial) -> list[CurveRow]:
        curve = trial.result.curve if trial.result else []
        return [cls.model_validate({**row.model_dump(), "trial": trial.number}) for row in curve]


class Machine(Record):
    precision: str
    device: str = ""
    threads: Count
    simulated: str | None = None


class OfCell(Record):
    """What names a cell, and the point it chose."""

    dataset: str
    model: str
    strategy: str
    protocol: Protocol
    data_digest: str
    point: Point


class BestFile(OfCell):
    """The chosen point and everything needed to train it again."""

    n_trials: Count
    space_size: Count
    seed: Count
    space: dict[str, list[Any]] | None = None
    search: dict[str, Any] | None = None
    first: Point | None = None
    """Where the search began. ``fixed`` leaves space, search and first None; a grid sets space."""
    weights_digest: str | None
    code_digest: str
    recipe: dict[str, Any]
    machine: Machine
    versions: dict[str, Any]
    trial: Count
    key: str
    chosen_by: Objective = "top1"
    objective: Share
    loss: float | None
    epoch: Count | None = None
    temperature: Temperature | None = None
    """Of the chosen trial; None if it was simulated."""
    time_over: bool = False
    """Whether the search ended because of ``search.max_hours``."""

    @property
    def choice(self) -> tuple[Protocol, Objective]:
        """The protocol and the objective, which together say by what the point was chosen."""
        return self.protocol, self.chosen_by


class ClassRow(Record):
    name: Annotated[str, Field(alias="class")]
    images: Count
    top1: Share | None


class Reliability(Record):
    """Images whose probability lies in one bin, (low, high]: how sure and how right they are."""

    low: Share
    high: Share
    images: Count
    confidence: Share
    """Mean probability of the predicted class."""
    accuracy: Share


class Calibration(Record):
    """How well the delivered model's probabilities tell how often it is right, on test images."""

    temperature: Temperature
    ece: Share
    """Expected calibration error: the mean of |accuracy - confidence| over the images' bins."""
    ece_before: Share
    """The same at a temperature of 1."""
    bins: list[Reliability]
    """Those that hold images, in order."""


class PerSeed(Record):
    """The results of refits on the test split: a list of each metric, with one entry per seed."""

    seeds: Annotated[list[int], Field(min_length=1)]
    keys: list[str]
    top1: list[Share]
    top5: list[Share]
    mean_class: list[Share]
    paddle_batch_mean: list[Share | None]
    loss: list[float | None]

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        for name in PerSeed.model_fields:
            if len(getattr(self, name)) != len(self.seeds):
                raise ValueError(f"{name} must have one entry per seed ({len(self.seeds)})")
        return self


class FinalFile(PerSeed, OfCell):
    """The results on the test split."""

    title: str
    model_title: str
    top1_mean: float
    top1_low: float | None
    """Ends of the 95 % interval over the seeds; None with one seed."""
    top1_high: float | None
    images: Images
    classes: list[str]
    chance: Share
    """Top-1 of guessing every class equally often."""
    majority: Share
    """Top-1 of always answering ``majority_class``, the largest class of train and validation."""
    majority_class: str
    per_class: list[ClassRow]
    confusion: list[list[Count]] | None
    """The first seed's confusion matrix: rows are true classes, columns are predictions.

    Under the paddle protocol it is None, and ``per_class`` is empty.
    """
    weights: Weights
    accepted_counts: bool
    leaked: Count
    """Number of files whose content is in more than one split."""
    leaked_groups: Count
    """Number of groups of identical files among them."""
    leaked_test: Count
    """Number of files whose content is in the test split and in another."""
    leaked_test_groups: Count
    """Number of groups of identical files among these."""
    two_labels: Count
    """Number of images that stand under more than one label."""
    unreadable: Count
    """Number of images that were left out because they could not be read."""
    data_notes: list[str]
    """One sentence for each thing that prepare left out or found doubtful."""
    provenance: Provenance
    calibration: Calibration | None = None
    """Of the first seed's model; None under the paddle protocol."""
    learning_curve: list[SharePoint] = Field(default_factory=list)
    """One point for each of ``evaluate.train_shares``, and the search's own trial last."""
    replays: Replays | None = None
    """Only in a grid cell whose grid is complete."""
    seeds_left_out: list[int] = Field(default_factory=list)
    """Seeds for whose refits ``search.max_hours`` left no time."""
    looks: Annotated[int, Field(ge=1)] = 1
    """Number of planned looks at comparisons of these results, while seeds are added."""

    @model_validator(mode="after")
    def _one_per_class(self) -> FinalFile:
        width = len(self.classes)
        if self.confusion is not None and [len(row) for row in self.confusion] != [width] * width:
            raise ValueError(f"confusion must be {width} x {width}, one row per class")
        if len(self.per_class) not in (0, width):
            raise ValueError(f"per_class must have one entry per class ({width})")
        return self
