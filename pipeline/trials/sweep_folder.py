"""Keep what the jobs of a sweep leave in its folder: trials, and why a job ended the sweep."""

from functools import lru_cache
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.files import write_json, write_text
from pipeline.trials.contract import Trial

_RECORD = "trial.json"
_STOPPED = "stopped.txt"
_NOT_BEGUN = "not_begun"


def leave(job: Path, trial: Trial) -> None:
    """Write the trial of the job in the folder ``job``."""
    write_json(job / _RECORD, trial.model_dump(mode="json"))


def leave_not_begun(job: Path) -> None:
    """Mark the job in the folder ``job`` as one that had no time for its trial."""
    (job / _NOT_BEGUN).touch()


def read(sweep: Path) -> list[Trial]:
    """Return what the jobs of a sweep have recorded so far, in no particular order."""
    return [_trial(path, path.stat().st_mtime_ns) for path in sweep.glob(f"*/{_RECORD}")]


@lru_cache(maxsize=10_000)
def _trial(path: Path, _written: int) -> Trial:
    """Read one record, once per process: every job looks at all before it."""
    return Trial.model_validate_json(path.read_bytes())


def begun(sweep: Path) -> set[str]:
    """Return the numbers of the jobs that began a trial, as the names of their folders."""
    folders = [path for path in sweep.glob("*") if path.name.isdecimal()]
    return {path.name for path in folders if not (path / _NOT_BEGUN).exists()}


def time_over(sweep: Path) -> bool:
    """Return whether a job had no time for its trial."""
    return any(sweep.glob(f"*/{_NOT_BEGUN}"))


def leave_stop(sweep: Path, reason: str) -> None:
    """Write why a job ended the sweep, for the jobs after it. Raises OSError on a full disk."""
    write_text(sweep / _STOPPED, reason)


def require_no_stop(sweep: Path) -> None:
    """Raise the UserError with which a job ended the sweep, if one did."""
    stop = sweep / _STOPPED
    if stop.exists():
        raise UserError(stop.read_text(encoding="utf-8"))
