"""What a launched job came to: a finite number, or a failure that says why."""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from hydra.core.utils import JobReturn

from ._errors import SweepError


@dataclass(frozen=True)
class Outcome:
    """The result of all runs of one trial; either `objective` or `error` is None."""

    dir: str
    objective: float | None = None
    spread: float | None = None
    error: Exception | None = None


def outcome(jobs: Sequence[JobReturn], sweep_dir: Path) -> Outcome:
    """Mean and standard deviation over the runs; one failed run fails the trial.

    The traceback of a failed run is written to `error.txt` in its directory.

    Raises:
        SweepError: the task function returned something that is no number.
    """
    values: list[float] = []
    for job in jobs:
        try:
            values.append(_value(job))
        except SweepError:
            raise
        except Exception as error:
            folder = _folder(job)
            folder.mkdir(parents=True, exist_ok=True)
            trace = "".join(traceback.format_exception(error))
            (folder / "error.txt").write_text(trace, encoding="utf-8")
            return Outcome(_relative(folder, sweep_dir), error=error)
    spread = stdev(values) if len(values) > 1 else None
    return Outcome(_relative(_folder(jobs[0]), sweep_dir), fmean(values), spread)


def _value(job: JobReturn) -> float:
    returned = job.return_value  # raises the job's own exception if it failed
    if isinstance(returned, str | bytes | bool) or not hasattr(returned, "__float__"):
        raise SweepError(
            f"the task function returned {returned!r} ({_folder(job)}); "
            "it must return the objective, one number"
        )
    value = float(returned)
    if not math.isfinite(value):
        raise ArithmeticError(f"the objective is {value}")
    return value


def _folder(job: JobReturn) -> Path:
    assert job.hydra_cfg is not None
    return Path(job.hydra_cfg.hydra.runtime.output_dir)


def _relative(folder: Path, sweep_dir: Path) -> str:
    return Path(os.path.relpath(folder, sweep_dir)).as_posix()
