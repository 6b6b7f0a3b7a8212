"""Turn the result of a launched job into a finite number or a failure with its reason."""

import math
import os
import reprlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from hydra.core.utils import JobReturn

from .errors import StopSweep
from .timing import taken_seconds

REASON = "error.txt"


@dataclass(frozen=True)
class Outcome:
    """The result of all runs of one trial; either `objective` or `error` is None.

    `dir` is relative to the directory of the sweep. `seconds` is the time that all runs took
    together, None where a job's directory cannot be seen from here.
    """

    dir: str
    objective: float | None = None
    spread: float | None = None
    error: Exception | None = None
    seconds: float | None = None


def outcome(jobs: Sequence[JobReturn], sweep_dir: Path) -> Outcome:
    """Average the runs of one trial, with their standard deviation; one failed run fails the trial.

    `error.txt` in the directory of a failed run says why it failed, because Hydra's own log of the
    job does not. The file of an earlier attempt is removed.
    """
    values: list[float] = []
    failed: tuple[Path, Exception] | None = None
    for job in jobs:
        result, folder = _result(job), _folder(job)
        reason = folder / REASON
        if isinstance(result, Exception):
            folder.mkdir(parents=True, exist_ok=True)
            reason.write_text("".join(traceback.format_exception(result)), encoding="utf-8")
            failed = failed or (folder, result)
        else:
            reason.unlink(missing_ok=True)
            values.append(result)
    times = [taken_seconds(_folder(job)) for job in jobs]
    known = [time for time in times if time is not None]
    seconds = round(sum(known), 3) if len(known) == len(times) else None
    if failed is not None:
        return Outcome(_relative(failed[0], sweep_dir), error=failed[1], seconds=seconds)
    return Outcome(
        _relative(_folder(jobs[0]), sweep_dir),
        objective=fmean(values),
        spread=stdev(values) if len(values) > 1 else None,
        seconds=seconds,
    )


def _result(job: JobReturn) -> float | Exception:
    if isinstance(job._return_value, StopSweep):
        return job._return_value  # reading it as below would print it as an error
    try:
        returned = job.return_value
    except Exception as error:  # the job's own: reading the value of a failed job raises it
        return error
    try:
        value = _number(returned)
    except (TypeError, ValueError, RuntimeError):
        return TypeError(
            f"the task function returned {reprlib.repr(returned)}; it must return the objective, "
            "one number"
        )
    return value if math.isfinite(value) else ArithmeticError(f"the objective is {value}")


def _number(returned: Any) -> float:
    """Return a number, or the only element of an array or tensor; raise for anything else."""
    element = getattr(returned, "item", None)
    value = element() if callable(element) else returned
    if isinstance(value, str | bytes | bool):
        raise TypeError
    return float(value)


def _folder(job: JobReturn) -> Path:
    assert job.hydra_cfg is not None
    return Path(job.hydra_cfg.hydra.runtime.output_dir)


def _relative(folder: Path, sweep_dir: Path) -> str:
    return Path(os.path.relpath(folder, sweep_dir)).as_posix()
