"""The rows and files tune and evaluate export, as the report reads them.

Fractions from 0 to 1, seconds, epochs and trials as integers. Columns or keys that the report
does not use are left unread.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Point(Record):
    lr: Finite
    l2_decay: Finite
    label_smoothing: bool
    mixup: bool


class TrialRow(Point):
    trial: Count
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

    @property
    def point(self) -> Point:
        return Point(
            lr=self.lr,
            l2_decay=self.l2_decay,
            label_smoothing=self.label_smoothing,
            mixup=self.mixup,
        )


class CurveRow(Record):
    """What points are chosen by, after one epoch; ``train_loss`` is the mean over that epoch."""

    trial: Count
    epoch: Annotated[int, Field(ge=1)]
    train_loss: float | None
    loss: float | None
    top1: Share | None
    top5: Share | None
    mean_class: Share | None


class FinalRunRow(Record):
    key: str
    experiment_id: str | None
    run_id: str | None
    replayed: bool
    seconds: Seconds | None
    """What the run cost when it was trained, whether replayed here or not."""
    device: str | None
    hardware: str | None
    """The accelerator, or the processor, and its memory."""
    threads: Count | None
    host: str | None
    finished: datetime | None


class RunRow(FinalRunRow):
    trial: Count


class BestFile(Record):
    dataset: str
    model: str
    strategy: str
    protocol: Literal["heldout", "paddle"]
    trial: Count
    key: str
    point: Point
    objective: Share
    loss: float | None
    n_trials: Count
    space_size: Count
    seed: Count
    space: dict[str, list[Any]] | None = None
    search: dict[str, Any] | None = None
    first: Point | None = None
    """Where the search began. A fixed point has none of the three, a grid only its space."""
    data_digest: str
    weights_digest: str | None
    code_digest: str
    recipe: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, Any]


class ClassRow(Record):
    name: Annotated[str, Field(alias="class")]
    images: Count
    top1: Share | None


class Weights(Record):
    source: str
    sha256: str | None


class Images(Record):
    train: Count
    val: Count
    test: Count


class Provenance(Record):
    commit: str | None
    dirty: bool | None
    code_digest: str
    versions: dict[str, Any]


class Replays(Record):
    """Searches replayed on a finished grid, one row each: gap to its best after every trial."""

    gaps: Annotated[list[Annotated[list[Finite], Field(min_length=1)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _same_length(self) -> Replays:
        if len({len(row) for row in self.gaps}) != 1:
            raise ValueError("every search must have the same number of trials")
        return self


class FinalFile(Record):
    """The test split, opened once: one entry per seed in the lists of figures."""

    title: str
    model_title: str
    protocol: Literal["heldout", "paddle"]
    point: Point
    seeds: Annotated[list[int], Field(min_length=1)]
    keys: list[str]
    top1: list[Share]
    top5: list[Share]
    mean_class: list[Share]
    loss: list[float | None]
    images: Images
    classes: list[str]
    per_class: list[ClassRow]
    confusion: list[list[Count]] | None
    """Rows are true classes, columns predictions; first seed.

    The paddle protocol measures neither: ``per_class`` is empty and ``confusion`` None.
    """
    data_digest: str
    weights: Weights
    accepted_counts: bool
    leaked: Annotated[int, Field(ge=0)]
    """Images that are in more than one split."""
    unreadable: Annotated[int, Field(ge=0)]
    """Images that were left out."""
    provenance: Provenance
    replays: Replays | None = None
    """Only of a grid cell, and of a whole grid."""

    @model_validator(mode="after")
    def _lengths_agree(self) -> FinalFile:
        for name in ("keys", "top1", "top5", "mean_class", "loss"):
            if len(getattr(self, name)) != len(self.seeds):
                raise ValueError(f"{name} must have one entry per seed ({len(self.seeds)})")
        width = len(self.classes)
        square = self.confusion is None or ([len(row) for row in self.confusion] == [width] * width)
        if not square:
            raise ValueError(f"confusion must be {width} x {width}, one row per class")
        if len(self.per_class) not in (0, width):
            raise ValueError(f"per_class must have one entry per class ({width})")
        return self
