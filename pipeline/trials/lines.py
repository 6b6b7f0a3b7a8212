"""Word what a person sees of a trial: the name of its run, and its line in the terminal."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from pipeline.base.text import count, duration, some
from pipeline.settings.point import Point
from pipeline.settings.schema import OBJECTIVE_TITLES, Config
from pipeline.trials.clock import seconds_left
from pipeline.trials.contract import Trial, TrialResult

_INDENT = 10
"""Where the second line of a trial begins: below what stands after its name."""
_BEGUN = "multirun.yaml"
"""The file that a sweeper writes before its first job."""


def trial_name(number: int) -> str:
    """Return how a trial is called everywhere: by its number in trials.csv, which begins at 0."""
    return f"trial {number:02}"


def run_name(number: int, point: Point) -> str:
    """Return the name of a trial's run. Names differ early, because the UI cuts their end."""
    return f"{trial_name(number)} · {point.brief}"


def bar_label(number: int, total: int, trials: Sequence[Trial]) -> str:
    """Return the words before the progress bar of a trial; ``trials`` have ended before it."""
    return f"{trial_name(number)} ({len(trials) + 1} of {total})  {_best_so_far(trials)}"


def _best_so_far(trials: Sequence[Trial]) -> str:
    """Return the words for the best objective, or nothing before the first."""
    objectives = [trial.result.objective for trial in trials if trial.result]
    return f"best {max(objectives):.4f}" if objectives else ""


def trial_line(
    trial: Trial,
    cfg: Config,
    total: int,
    sweep: Path,
    trials: Sequence[Trial],
    *,
    replayed: bool,
) -> str:
    """Return the line of a trial that has ended: result, time, best so far, time left, point.

    ``trials`` are those of the sweep in the folder ``sweep`` so far, this one too.
    """
    width = len(str(total))
    if trial.result is None:
        shown = "failed"
    elif trial.result.status == "diverged":
        shown = "diverged"
    else:
        shown = f"{trial.result.objective:.4f}"
    took = "" if trial.result is None else f"{trial.result.seconds:.1f} s"
    parts = [
        f"{trial_name(trial.number)}  {len(trials):{width}} of {total} done",
        f"val {OBJECTIVE_TITLES[cfg.objective]} {shown:<8}",
        f"{'replayed' if replayed else took:>9}",
        _best_so_far(trials),
        _left(total - len(trials), cfg, sweep, trials),
        trial.point.brief if trial.result else f"{trial.point.brief}: {trial.error}",
    ]
    return _laid_out(parts)


def _laid_out(parts: Sequence[str], between: str = "  ") -> str:
    """Join the parts of a line; on a terminal, begin a new one before a part that does not fit."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    lines = [""]
    for part in filter(None, parts):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append(" " * _INDENT)
        lines[-1] += f"{part}{between}"
    return "\n".join(line.rstrip() for line in lines)


def end_line(sweep: Path, chosen: Trial, trials: Sequence[Trial]) -> str:
    """Return the line at the end of a sweep: why it ended, what failed, and the chosen trial."""
    results = sweep / "optimization_results.yaml"
    known = yaml.safe_load(results.read_bytes()) if results.exists() else {}
    reason = known.get("stop_reason") or count(len(trials), "trial")
    failed = [trial_name(trial.number) for trial in trials if trial.status == "failed"]
    lost = f"; failed: {some(failed)}" if failed else ""
    end = f"{reason}{lost}; chosen: {trial_name(chosen.number)},"
    return _laid_out([end, chosen.point.brief], " ")


def refit_line(cfg: Config, result: TrialResult, *, replayed: bool) -> str:
    """Return the line of a refit."""
    assert result.metrics is not None
    took = "replayed" if replayed else f"{result.seconds:.1f} s"
    measured = f"refit seed {cfg.seed}  test top-1 {result.metrics.top1:.4f}  {took:>9}"
    return _laid_out([measured, cfg.point.brief])


def _left(remaining: int, cfg: Config, sweep: Path, trials: Sequence[Trial]) -> str:
    """Say how long the rest of a sweep takes at most: at the pace of its trials, or by its hours.

    Nothing is said when the hours are over.
    """
    try:
        begun = (sweep / _BEGUN).stat().st_mtime
    except FileNotFoundError:
        return ""
    finished = [trial.result.finished.timestamp() for trial in trials if trial.result]
    trained = sum(each >= int(begun) for each in finished)  # the others were replayed
    if not remaining or not trained:
        return ""
    pace = (time.time() - begun) / trained
    left = min(pace * remaining, seconds_left(cfg, sweep))
    return f"up to {duration(left)} left" if left > 0 else ""
