"""Define the rows of runs.csv and final_runs.csv: each trial's run in the journal and its cost."""

from datetime import datetime
from typing import Self

from pipeline.trials.contract import Numbered, Outcome, Trial
from pipeline.trials.record_types import Count, Record, Seconds


class Journalled(Record):
    """Where a trial stands in the journal and what it cost when it was trained."""

    key: str
    experiment_id: str | None
    run_id: str | None
    replayed: bool
    seconds: Seconds | None
    """Duration of the original training, also when the trial was replayed here."""
    fit_seconds: Seconds | None
    device: str | None
    hardware: str | None
    """Name and memory of the accelerator, or of the processor."""
    threads: Count | None
    host: str | None
    finished: datetime | None

    @classmethod
    def of(cls, done: Trial | Outcome, experiment_id: str, **number: int) -> Self:
        """Return the row of a trial, with its number in a sweep or its seed."""
        cost = done.result.model_dump() if done.result else {}
        stands = {"key": done.key, "run_id": done.run_id, "replayed": done.replayed}
        row = dict.fromkeys(cls.model_fields) | cost | stands | number
        return cls.model_validate(row | {"experiment_id": experiment_id})


class RunRow(Journalled, Numbered): ...


class Seeded(Record):
    seed: Count


class FinalRunRow(Journalled, Seeded): ...
