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

from .errors import SweepError


@dataclass(frozen=True)
class Outcome:
    """The result of all runs of one trial; either `objective` or `error` is None.

    `dir` is relative to the directory of the sweep.
    """

    dir: str
    objective: float | None = None
    spread: float | None = None
    error: Exception | None = None


def outcome(jobs: Sequence[JobReturn], sweep_dir: Path) -> Outcome:
    """Mean and standard deviation over the runs of one trial; one failed run fails the trial.

    Why a run failed is written to `error.txt` in its directory: Hydra's log of the job is silent.

    Raises:
        SweepError: the task function returned something that is no number.
    """
    values: list[float] = []
    for job in jobs:
        result = _result(job)
        if isinstance(result, Exception):
            folder = _folder(job)
            folder.mkdir(parents=True, exist_ok=True)
            trace = "".join(traceback.format_exception(result))
            (folder / "error.txt").write_text(trace, encoding="utf-8")
            return Outcome(_relative(folder, sweep_dir), error=result)
        values.append(result)
    spread = stdev(values) if len(values) > 1 else None
    return Outcome(_relative(_folder(jobs[0]), sweep_dir), fmean(values), spread)


def _result(job: JobReturn) -> float | Exception:
    try:
        returned = job.return_value
    except Exception as error:  # the job's own: reading the value of a failed job raises it
        return error
    try:
        if isinstance(returned, str | bytes | bool):
            raise TypeError
        value = float(returned)
    except (TypeError, ValueError, RuntimeError):
        raise SweepError(
            f"the task function returned {returned!r} ({_folder(job)}); "
            "it must return the objective, one number"
        ) from None
    return value if math.isfinite(value) else ArithmeticError(f"the objective is {value}")


def _folder(job: JobReturn) -> Path:
    assert job.hydra_cfg is not None
    return Path(job.hydra_cfg.hydra.runtime.output_dir)


def _relative(folder: Path, sweep_dir: Path) -> str:
    return Path(os.path.relpath(folder, sweep_dir)).as_posix()
