"""Run a sweep: ask for points, launch their jobs and record the results until a rule stops it."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf

from .engine import Engine, Proposal
from .errors import StopSweep, SweepError
from .jobs import Outcome, outcome
from .records import Trial, write_results, write_table
from .rules import best_trial, gave_up, sign, stop_reason
from .space import Space, parse_value, plain

log = logging.getLogger(__name__)

Launch = Callable[[list[list[str]], int], Sequence[JobReturn]]
"""Launches one job per list of overrides. The second argument is the number of the first job."""


class Sweep:
    """One search over `space` in `folder`.

    Args:
        recorded: trials of an interrupted run of the same sweep; they are not launched again.
        search: the settings that decide the proposals; they are written with the results.
    """

    def __init__(
        self,
        options: SkoptSweeperConf,
        space: Space,
        engine: Engine,
        folder: Path,
        launch: Launch,
        *,
        recorded: Sequence[Trial],
        search: dict[str, Any],
    ) -> None:
        self._options = options
        self._space = space
        self._engine = engine
        self._folder = folder
        self._launch = launch
        self._recorded = recorded
        self._search = search
        self._trials: list[Trial] = []
        self._stopped: str | None = None
        self._names = [parameter.name for parameter in space.parameters]

    def run(self) -> list[Sequence[JobReturn]]:
        """Run until a rule stops the sweep; return the launched jobs, a sequence per batch.

        Raises:
            SweepError: more trials failed than allowed, or a recorded trial is not in the space.
            Exception: the error of a failed job, if `on_failure` is "raise".
        """
        started = time.monotonic()
        self._announce()
        returns: list[Sequence[JobReturn]] = []

        def reason_to_stop() -> str | None:
            return self._stopped or stop_reason(
                self._options,
                self._trials,
                exhausted=self._engine.exhausted,
                seconds=time.monotonic() - started,
            )

        proposals = self._take_over()
        reason = reason_to_stop() if self._recorded and not proposals else None
        try:
            self._write_results(reason)
            while reason is None:
                returns.append(self._batch(proposals or self._ask()))
                proposals = []
                reason = reason_to_stop()
        except BaseException as error:
            self._write_results(f"ended by {type(error).__name__}")
            raise
        self._write_results(reason)
        self._conclude(reason)
        return returns

    def _take_over(self) -> list[Proposal]:
        """Learn the recorded trials; return the proposals of their last batch still to run.

        The table decides what was tried. It may end in the middle of a batch. Then the engine
        proposes that batch again before it learns the results recorded from it: the batch was
        first proposed without them, too.
        """
        size = self._options.batch_size
        whole = len(self._recorded) - len(self._recorded) % size
        for first in range(0, whole, size):
            self._learn(self._recorded[first : min(first + size, whole)])
        begun = self._recorded[whole:]
        if not begun:
            return []
        points = {self._space.point(trial.params) for trial in begun}
        proposals = self._ask()
        self._learn(begun)
        left = [proposal for proposal in proposals if proposal.point not in points]
        return left[: max(0, self._options.n_trials - len(self._trials))]

    def _ask(self) -> list[Proposal]:
        room = max(0, self._options.n_trials - len(self._trials))
        return self._engine.ask(min(self._options.batch_size, room))

    def _batch(self, proposals: Sequence[Proposal]) -> Sequence[JobReturn]:
        """Run one batch of trials; learn and record their results, failed trials included.

        Raises the error of the first failed job if `on_failure` is "raise".
        """
        repeats = self._options.repeats
        first = max((trial.job + repeats for trial in self._trials), default=0)
        jobs = self._launch_all(proposals, first) if proposals else []
        outcomes = [
            outcome(jobs[i * repeats : (i + 1) * repeats], self._folder)
            for i in range(len(proposals))
        ]
        stops = [str(each.error) for each in outcomes if isinstance(each.error, StopSweep)]
        self._stopped = next(iter(stops), None)
        begun = [
            (first + i * repeats, proposal, result)
            for i, (proposal, result) in enumerate(zip(proposals, outcomes, strict=True))
            if not isinstance(result.error, StopSweep)
        ]
        made = [self._trial(len(self._trials) + i, *each) for i, each in enumerate(begun)]
        self._learn(made)
        write_table(self._folder, self._names, self._trials)
        self._write_results(None)
        for trial in made:
            self._report(trial)
        if self._options.on_failure == "raise":
            for result in outcomes:
                if result.error is not None and not isinstance(result.error, StopSweep):
                    raise result.error
        return jobs

    def _launch_all(self, proposals: Sequence[Proposal], first: int) -> Sequence[JobReturn]:
        repeats, key = self._options.repeats, self._options.repeat_key
        batch = [
            [*self._space.overrides(proposal.point), *([f"{key}={run}"] if repeats > 1 else [])]
            for proposal in proposals
            for run in range(repeats)
        ]
        return self._launch(batch, first)

    def _trial(self, number: int, job: int, proposal: Proposal, result: Outcome) -> Trial:
        towards = sign(self._options.direction)
        return Trial(
            trial=number,
            job=job,
            dir=result.dir,
            kind=proposal.kind,
            status="finished" if result.error is None else "failed",
            error="" if result.error is None else _reason(result.error),
            objective=result.objective,
            spread=result.spread,
            seconds=result.seconds,
            acquisition=proposal.acquisition,
            predicted_mean=None if proposal.mean is None else towards * proposal.mean,
            predicted_std=proposal.std,
            params=self._space.texts(proposal.point),
        )

    def _learn(self, trials: Sequence[Trial]) -> None:
        towards = sign(self._options.direction)
        values = [float("nan") if t.objective is None else towards * t.objective for t in trials]
        self._engine.tell([self._space.point(trial.params) for trial in trials], values)
        self._trials.extend(trials)

    def _announce(self) -> None:
        log.info(
            "%s the objective over %s (%s points), seed %d",
            self._options.direction,
            ", ".join(self._names) or "no parameter",
            self._engine.size,
            self._options.seed,
        )
        if self._recorded:
            log.info("resuming: %d trials are taken from the table", len(self._recorded))

    def _report(self, trial: Trial) -> None:
        best = best_trial(self._trials[: trial.trial + 1], self._options.direction)
        values = " ".join(f"{name}={text}" for name, text in trial.params.items())
        head = f"trial {trial.trial}  {trial.trial + 1}/{self._options.n_trials}  {values}"
        tail = "" if best is None else f" (best {best.objective:.6g} in trial {best.trial})"
        if trial.failed:
            folder = self._folder / trial.dir
            log.warning("%s -> failed: %s; see %s%s", head, trial.error, folder, tail)
        else:
            took = "" if trial.seconds is None else f" {trial.seconds:.1f} s"
            log.info("%s -> %.6g%s%s", head, trial.objective, tail, took)

    def _conclude(self, reason: str) -> None:
        best = best_trial(self._trials, self._options.direction)
        if best is not None:
            log.info("%s; best %.6g in trial %d (%s)", reason, best.objective, best.trial, best.dir)
        failed = [trial for trial in self._trials if trial.failed]
        allowed = self._options.allowed_failures
        if gave_up(self._options, self._trials) or (allowed is not None and len(failed) > allowed):
            folders = ", ".join(str(self._folder / trial.dir) for trial in failed)
            raise SweepError(
                f"{len(failed)} of {len(self._trials)} trials failed ({reason}); "
                f"error.txt says why, in {folders}"
            )

    def _write_results(self, reason: str | None) -> None:
        """Write the results so far; `reason` says why the sweep stopped, None while it runs."""
        best = best_trial(self._trials, self._options.direction)
        write_results(
            self._folder,
            {
                "name": "skopt",
                "best_value": best and best.objective,
                "best_params": best and {k: plain(parse_value(v)) for k, v in best.params.items()},
                "best_overrides": best and self._space.overrides(self._space.point(best.params)),
                "best_trial": best and best.trial,
                "best_job": best and best.job,
                "best_dir": best and best.dir,
                "n_trials": len(self._trials),
                "n_failed": sum(trial.failed for trial in self._trials),
                "stop_reason": reason,
                "search": self._search,
            },
        )


def _reason(error: Exception) -> str:
    """Say in one line why a trial failed."""
    return " ".join(str(error).split()) or type(error).__name__
