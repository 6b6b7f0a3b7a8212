"""Define the rows of runs.csv and final_runs.csv: each trial's run in the journal and its cost."""

from __future__ import annotations

from datetime import datetime

from pipeline.trials.contract import Numbered, Trial
from pipeline.trials.record import Count, Record, Seconds


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


class RunRow(Journalled, Numbered):
    @classmethod
    def of(cls, trial: Trial, experiment_id: str) -> RunRow:
        return cls.model_validate(
            dict.fromkeys(cls.model_fields)
            | (trial.result.model_dump() if trial.result else {})
            | {"trial": trial.number, "key": trial.key, "experiment_id": experiment_id}
            | {"run_id": trial.run_id, "replayed": trial.replayed}
        )


class Seeded(Record):
    seed: Count


class FinalRunRow(Journalled, Seeded): ...
