"""The sweep: ask, launch, tell, record, until a rule says stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf

from .engine import Engine, Proposal
from .errors import SweepError
from .jobs import Outcome, outcome
from .records import Trial, write_results, write_table
from .rules import best_trial, gave_up, sign, stop_reason
from .space import Space, parse_value

log = logging.getLogger(__name__)

Launch = Callable[[list[list[str]], int], Sequence[JobReturn]]
"""Runs one job per list of overrides, numbered from the second argument on."""


class Sweep:
    """One search over `space` in `folder`.

    Args:
        recorded: trials of an interrupted run of the same sweep, not launched again.
        search: what decides the proposals, kept with the result.
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
        self._names = [parameter.name for parameter in space.parameters]

    def run(self) -> list[Sequence[JobReturn]]:
        """Run until a stop rule holds; returns the launched jobs, a sequence per batch.

        Raises:
            SweepError: more trials failed than allowed, or the recorded ones do not fit.
            Exception: the failed job's own, where `on_failure` is "raise".
        """
        started = time.monotonic()
        self._announce()
        returns: list[Sequence[JobReturn]] = []
        reason = None
        try:
            if not self._recorded:
                self._write_results(None)
            while reason is None:
                if jobs := self._batch():
                    returns.append(jobs)
                reason = stop_reason(
                    self._options,
                    self._trials,
                    exhausted=self._engine.exhausted,
                    seconds=time.monotonic() - started,
                )
        except BaseException as error:
            if len(self._trials) >= len(self._recorded):  # else the files on disk know more
                self._write_results(f"ended by {type(error).__name__}")
            raise
        self._write_results(reason)
        self._conclude(reason)
        return returns

    def _batch(self) -> Sequence[JobReturn]:
        room = self._options.n_trials - len(self._trials)
        proposals = self._engine.ask(min(self._options.batch_size, room))
        first = len(self._trials)
        kept = [
            self._replayed(proposal, trial)
            for proposal, trial in zip(proposals, self._recorded[first:], strict=False)
        ]
        fresh = proposals[len(kept) :]
        began = time.monotonic()
        jobs = self._launch_all(fresh, first + len(kept)) if fresh else []
        seconds = round(time.monotonic() - began, 3)

        repeats = self._options.repeats
        outcomes = [
            outcome(jobs[i * repeats : (i + 1) * repeats], self._folder) for i in range(len(fresh))
        ]
        made = [
            self._trial(first + len(kept) + i, proposal, result, seconds)
            for i, (proposal, result) in enumerate(zip(fresh, outcomes, strict=True))
        ]
        self._learn(proposals, [*kept, *made])
        if made:  # while replaying, the table on disk knows more
            write_table(self._folder, self._names, self._trials)
            self._write_results(None)
        for trial, result in zip(made, outcomes, strict=True):
            self._report(trial, result)
        if self._options.on_failure == "raise":
            for result in outcomes:
                if result.error is not None:
                    raise result.error
        return jobs

    def _replayed(self, proposal: Proposal, trial: Trial) -> Trial:
        if self._space.texts(proposal.point) != trial.params:
            raise SweepError(
                f"cannot resume: trial {trial.trial} of the table is {trial.params}, but the "
                f"search proposes {self._space.texts(proposal.point)}; another version of the "
                "sweeper made the table"
            )
        return trial

    def _launch_all(self, proposals: Sequence[Proposal], first: int) -> Sequence[JobReturn]:
        repeats, key = self._options.repeats, self._options.repeat_key
        batch = [
            [*self._space.overrides(proposal.point), *([f"{key}={run}"] if repeats > 1 else [])]
            for proposal in proposals
            for run in range(repeats)
        ]
        return self._launch(batch, first * repeats)

    def _trial(self, number: int, proposal: Proposal, result: Outcome, seconds: float) -> Trial:
        towards = sign(self._options.direction)
        return Trial(
            trial=number,
            job=number * self._options.repeats,
            dir=result.dir,
            kind=proposal.kind,
            status="failed" if result.error else "finished",
            objective=result.objective,
            spread=result.spread,
            seconds=seconds,
            acquisition=proposal.acquisition,
            predicted_mean=None if proposal.mean is None else towards * proposal.mean,
            predicted_std=proposal.std,
            params=self._space.texts(proposal.point),
        )

    def _learn(self, proposals: Sequence[Proposal], trials: Sequence[Trial]) -> None:
        towards = sign(self._options.direction)
        values = [float("nan") if t.objective is None else towards * t.objective for t in trials]
        self._engine.tell([proposal.point for proposal in proposals], values)
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

    def _report(self, trial: Trial, result: Outcome) -> None:
        best = best_trial(self._trials[: trial.trial + 1], self._options.direction)
        values = " ".join(f"{name}={text}" for name, text in trial.params.items())
        head = f"trial {trial.trial + 1}/{self._options.n_trials}  {values}"
        tail = "" if best is None else f" (best {best.objective:.6g} @ job {best.job})"
        if result.error is not None:
            log.warning(
                "%s -> failed: %s; see %s%s",
                head,
                " ".join(str(result.error).split()) or type(result.error).__name__,
                self._folder / trial.dir,
                tail,
            )
        else:
            log.info("%s -> %.6g%s %.1f s", head, trial.objective, tail, trial.seconds)

    def _conclude(self, reason: str) -> None:
        best = best_trial(self._trials, self._options.direction)
        if best is not None:
            log.info("%s; best %.6g in job %d (%s)", reason, best.objective, best.job, best.dir)
        failed = [trial for trial in self._trials if trial.failed]
        allowed = self._options.allowed_failures
        if gave_up(self._options, self._trials) or (allowed is not None and len(failed) > allowed):
            folders = ", ".join(str(self._folder / trial.dir) for trial in failed)
            raise SweepError(
                f"{len(failed)} of {len(self._trials)} trials failed ({reason}); "
                f"why stands in error.txt in {folders}"
            )

    def _write_results(self, reason: str | None) -> None:
        """Write the result so far; `reason` is None while the sweep runs."""
        best = best_trial(self._trials, self._options.direction)
        write_results(
            self._folder,
            {
                "name": "skopt",
                "best_value": best and best.objective,
                "best_params": best and {k: parse_value(v) for k, v in best.params.items()},
                "best_trial": best and best.trial,
                "best_job": best and best.job,
                "best_dir": best and best.dir,
                "n_trials": len(self._trials),
                "n_failed": sum(trial.failed for trial in self._trials),
                "stop_reason": reason,
                "search": self._search,
            },
        )
