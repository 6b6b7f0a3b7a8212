"""Define the smaller records within a cell's final.json."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from pipeline.trials.record_types import Count, Finite, Record, Share


class Weights(Record):
    source: str
    sha256: str | None


class Images(Record):
    train: Count
    val: Count
    test: Count


class SharePoint(Record):
    """Top-1 on validation of the chosen point, trained on so many images."""

    images: Count
    top1: Share


class Provenance(Record):
    commit: str | None
    dirty: bool | None
    versions: dict[str, Any]
    code_digest: str


class Replays(Record):
    """Searches replayed on a finished grid: a row per search, its gap to the best by trial."""

    gaps: Annotated[list[Annotated[list[Finite], Field(min_length=1)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _same_length(self) -> Replays:
        if len({len(row) for row in self.gaps}) != 1:
            raise ValueError("every search must have the same number of trials")
        return self
