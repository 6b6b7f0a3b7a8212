"""Run a sweep: its lock and parent run, the trial of each Hydra job, and the tables at the end."""

import csv
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra_skopt_sweeper.errors import StopSweep
from omegaconf import DictConfig

from pipeline.base.disk import full_disk_explained
from pipeline.base.errors import UserError
from pipeline.base.files import write_yaml
from pipeline.base.locks import alone
from pipeline.base.text import some
from pipeline.settings.accelerators import take_own_device
from pipeline.settings.compose import check
from pipeline.settings.faults import Origin
from pipeline.settings.folders import results_dir, sweep_dir
from pipeline.settings.schema import Config
from pipeline.training.data import Purpose
from pipeline.trials import sweep_folder
from pipeline.trials.clock import counting, require_time
from pipeline.trials.contract import BestFile, Machine, Trial
from pipeline.trials.deciding_code import code_digest
from pipeline.trials.identity import identity, key_of, versions
from pipeline.trials.journal import Journal
from pipeline.trials.lines import bar_label, end_line, run_name, trial_line, trial_name
from pipeline.trials.parents import open_parent, set_duration
from pipeline.trials.resources import Resources, find_resources
from pipeline.trials.run import TrialFailedError, run
from pipeline.trials.tables import best, write_trials

PARENT = "VDTRANSFER_PARENT_RUN"
"""Environment variable that hands the parent's run id to the jobs (never MLFLOW_RUN_ID)."""
_GIVEN = ("fixed", "grid")
"""Strategies whose trials are given before the first one runs."""
_ALIKE = 3
"""So many equal failures at the beginning of a sweep are the cause of every later one."""


@dataclass(frozen=True)
class Sweep:
    """A running sweep: its parent run in the journal, and the folder of its jobs' records."""

    cfg: Config
    journal: Journal
    run_id: str
    folder: Path
    resources: Resources

    def trials(self) -> list[Trial]:
        """Return the trials that the jobs recorded, ordered by number."""
        return sorted(sweep_folder.read(self.folder), key=lambda trial: trial.number)

    def require_not_stopped(self) -> None:
        """Raise the UserError with which a job ended the sweep, if one did."""
        sweep_folder.require_no_stop(self.folder)

    def require_whole(self) -> None:
        """Raise UserError if the sweep ended early, even if the sweeper did not notice."""
        self.require_not_stopped()
        jobs = sweep_folder.begun(self.folder) | self._launched()
        lost = sorted({int(job) for job in jobs} - {trial.number for trial in self.trials()})
        if lost:
            raise UserError(
                f"{self.folder}: {some([trial_name(number) for number in lost])} left no record, "
                "though the launcher says that each has ended. The others are kept; run the same "
                "command to go on"
            )

    def _launched(self) -> set[str]:
        """Return the numbers of the jobs that must have a trial.

        These are all points, or the jobs that a search wrote down; it leaves out those that had no
        time to begin.
        """
        if self.cfg.strategy.name in _GIVEN:
            return {str(number) for number in range(_total(self.cfg))}
        table = self.folder / "sweep.csv"
        if not table.exists():
            return {"0"}
        with table.open(encoding="utf-8", newline="") as file:
            return {row["job"] for row in csv.DictReader(file)}

    def export(self, trials: list[Trial]) -> None:
        """Write the tables of the cell. Raises UserError when no trial gave a measurement."""
        chosen = best(trials, self.cfg.space)
        if chosen is None:
            raise UserError(
                f"none of the {len(trials)} trials finished with a measurement: all diverged or "
                "failed. Lower the learning rates of the space"
            )
        folder = results_dir(self.cfg)
        for abandoned in folder.glob(".*.tmp"):  # left by a process that was killed
            abandoned.unlink()
        with full_disk_explained(folder):
            write_trials(folder, trials, self.journal.experiment_id)
            facts = self._facts(chosen, len(trials)).model_dump(mode="json", exclude_unset=True)
            write_yaml(folder / "best.yaml", facts)
        for name in ("trials.csv", "best.yaml"):
            self.journal.write_file(self.run_id, folder / name)
        assert chosen.result is not None
        values = {"best/objective": chosen.result.objective, "best/trial": chosen.number}
        self.journal.log(self.run_id, {**values, "n_trials": len(trials)})
        self.journal.tag(self.run_id, {"best.point": chosen.point.brief})
        print(end_line(self.folder, chosen, trials), flush=True)

    def _facts(self, chosen: Trial, n_trials: int) -> BestFile:
        cfg, environment = self.cfg, self.resources.environment
        assert chosen.result is not None
        assert chosen.result.metrics is not None
        simulated = {"simulated": cfg.machine.simulate} if environment.simulated else {}
        over: dict[str, Any] = {"time_over": True} if sweep_folder.time_over(self.folder) else {}
        return BestFile(
            dataset=cfg.dataset.name,
            model=cfg.model.name,
            strategy=cfg.strategy.name,
            protocol=cfg.protocol.name,
            n_trials=n_trials,
            space_size=cfg.space.size(),
            seed=cfg.seed,
            **_asked(cfg),
            **over,
            data_digest=environment.data_digest,
            weights_digest=environment.weights_digest,
            code_digest=code_digest(),
            recipe=cfg.recipe.model_dump(mode="json"),
            machine=Machine(
                precision=environment.precision,
                device=environment.device,
                threads=environment.threads,
                **simulated,
            ),
            versions=versions(),
            trial=chosen.number,
            key=chosen.key,
            point=chosen.point,
            chosen_by=cfg.objective,
            objective=chosen.result.objective,
            loss=chosen.result.metrics.loss,
            epoch=chosen.result.epoch,
            temperature=chosen.result.metrics.temperature,
        )


@contextmanager
def opened(cfg: Config) -> Iterator[Sweep]:
    """Lock the cell and open its parent run; close it as FINISHED, FAILED or KILLED.

    Raises UserError when data or weights are missing or the journal cannot be used.
    """
    resources = find_resources(cfg)
    journal = Journal.open(cfg.project, cfg.title)
    cell = f"{cfg.strategy.name} · {cfg.dataset.name} · {cfg.model.name}"
    fingerprint = _fingerprint(cfg, resources)
    folder = sweep_dir(cfg)
    ready = time.time()
    with alone(folder.with_name(f".{folder.name}.lock"), f"cell {cell}"):
        began = time.time()
        note = f"{cfg.title}: {cfg.strategy.name} search"
        run_id, earlier = open_parent(journal, cell, fingerprint, tags(cfg, "sweep"), note)
        status = "FAILED"
        try:
            with counting(cfg, resources, folder, ready):
                yield Sweep(cfg, journal, run_id, folder, resources)
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            set_duration(journal, run_id, status, earlier + time.time() - began)


def _fingerprint(cfg: Config, resources: Resources) -> str:
    """Return a digest of the space and budget of a search, and of a trial without its point."""
    plain = identity(cfg, Purpose.SEARCH, resources.environment)
    if cfg.strategy.name != "fixed":
        del plain["point"]
    names = [cfg.dataset.name, cfg.model.name, cfg.strategy.name, cfg.objective]
    return key_of([names, plain | _asked(cfg)])


def _asked(cfg: Config) -> dict[str, Any]:
    """Return the sweep's ``space``, ``search`` budget and ``first`` point, as far as it has them.

    The fixed strategy has none of them, and a grid has only ``space``.
    """
    if cfg.strategy.name == "fixed":
        return {}
    space = {"space": cfg.space.model_dump()}
    if cfg.strategy.name == "grid":
        return space
    return {
        **space,
        "search": cfg.search.budget(cfg.strategy.name),
        "first": cfg.point.model_dump(),
    }


def tags(cfg: Config, purpose: str) -> dict[str, str]:
    """Return the MLflow tags by which people filter runs."""
    return {
        "dataset": cfg.dataset.name,
        "model": cfg.model.name,
        "strategy": cfg.strategy.name,
        "protocol": cfg.protocol.name,
        "recipe": cfg.recipe.name,
        "purpose": purpose,
        "chosen_by": cfg.objective,
        **({"simulated": "true"} if cfg.machine.simulate else {}),
    }


def job(composed: DictConfig) -> float:
    """Run the trial of one Hydra job; return its objective, or NaN when it failed.

    A failure is recorded, not raised: the sweep continues, and tune names the failed trials at the
    end. A UserError ends the sweep: it is written down for tune, and later jobs do nothing. It is
    raised only if it cannot be written, because Hydra then prints each job's overrides.
    """
    folder = Path(HydraConfig.get().runtime.output_dir).parent
    try:
        sweep_folder.require_no_stop(folder)
        return _trial(composed)
    except UserError as error:
        try:
            sweep_folder.leave_stop(folder, str(error))
        except OSError:
            raise error from None
        return math.nan


def _trial(composed: DictConfig) -> float:
    hydra = HydraConfig.get()
    config_dir = next(
        Path(each.path) for each in hydra.runtime.config_sources if each.provider == "main"
    )
    origin = Origin(config_dir, hydra.overrides.task, hydra.runtime.choices)
    cfg = check(composed, origin)
    if hydra.runtime.choices["hydra/launcher"] == "processes":
        take_own_device(cfg.machine)
    number, total = int(hydra.job.num), _total(cfg)
    folder = Path(hydra.runtime.output_dir)
    sweep = folder.parent
    trial = Trial(number=number, point=cfg.point, seed=cfg.seed)
    try:
        outcome = run(
            cfg,
            Purpose.SEARCH,
            Journal.open(cfg.project),
            name=run_name(number, cfg.point),
            label=bar_label(number, total, sweep_folder.read(sweep)),
            parent_id=os.environ[PARENT],
            tags={**tags(cfg, Purpose.SEARCH), "trial": str(number)},
            before_training=lambda: require_time(cfg, sweep, sweep_folder.read(sweep)),
        )
    except StopSweep:
        sweep_folder.leave_not_begun(folder)
        raise
    except TrialFailedError as error:
        _end(cfg, folder, trial.model_copy(update={"error": str(error)}))
        _require_no_common_cause(sweep, cfg)
        return math.nan
    facts = {"key": outcome.key, "run_id": outcome.run_id, "replayed": outcome.shared}
    trial = trial.model_copy(update={**facts, "result": outcome.result})
    _end(cfg, folder, trial, replayed=outcome.replayed)
    return outcome.result.objective


def _end(cfg: Config, job: Path, trial: Trial, *, replayed: bool = False) -> None:
    """Write down a trial that has ended, and print its line."""
    sweep_folder.leave(job, trial)
    so_far = sweep_folder.read(job.parent)
    line = trial_line(trial, cfg, _total(cfg), job.parent, so_far, replayed=replayed)
    print(line, flush=True)


def _require_no_common_cause(folder: Path, cfg: Config) -> None:
    """Raise UserError if all trials so far failed in the same way, and more than are allowed."""
    trials = sweep_folder.read(folder)
    causes = {re.sub(r"\d+", "0", trial.error or "") for trial in trials}
    enough = len(trials) >= max(_ALIKE, cfg.tune.allowed_failures + 1)
    if enough and len(causes) == 1 and causes != {""}:
        raise UserError(
            f"the first {len(trials)} trials failed in the same way; mend the cause and run the "
            f"same command again: {trials[0].error}"
        )


def _total(cfg: Config) -> int:
    return cfg.search.trials(cfg.strategy.name, cfg.space.size())
