"""Run a trial through the journal: replay it if it is finished, else train and record it."""

import json
import shutil
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.base.disk import full_disk_explained
from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.base.locks import alone
from pipeline.settings.accelerators import require_one_device
from pipeline.settings.folders import lock_file, prepared_dir, runs_dir
from pipeline.settings.machine import hardware
from pipeline.settings.schema import Config
from pipeline.training.callbacks import Checkpoint, Progress, Record
from pipeline.training.data import Purpose, SplitPlan, split_plan
from pipeline.training.final_output import FINAL_FILES, write_final
from pipeline.training.objectives import objective_of
from pipeline.training.trial import train
from pipeline.trials.contract import Outcome, TrialResult
from pipeline.trials.curves import CurveLog, system_metrics
from pipeline.trials.deaths import bury, require_life, stamp, watched
from pipeline.trials.identity import identity, key_of
from pipeline.trials.interruptions import finishing, time_limit
from pipeline.trials.journal import KEY_TAG, RESULT, Journal
from pipeline.trials.resources import Resources, find_resources
from pipeline.trials.simulated import simulate
from pipeline.trials.store import JournalLostError


class TrialFailedError(Exception):
    """The trial could not be computed; its run says FAILED and holds the traceback."""


_TEST_METRICS = ("top1", "top5", "mean_class", "loss")


def run(
    cfg: Config,
    purpose: Purpose,
    journal: Journal,
    *,
    name: str,
    label: str,
    parent_id: str | None,
    tags: Mapping[str, str],
    before_training: Callable[[], None] = lambda: None,
) -> Outcome:
    """Return the result of a trial, replayed from the journal or trained now.

    ``name`` and ``tags`` are shown in MLflow, ``label`` before the progress bar.
    ``before_training`` is called unless the trial is replayed; what it raises is passed on. Raises
    TrialFailedError when training failed. A KeyboardInterrupt closes the run as KILLED and is
    raised again.
    """
    resources = find_resources(cfg)
    plain = identity(cfg, purpose, resources.environment)
    key = key_of(plain)
    job = _Job(cfg, purpose, journal, resources, plain, key, label)
    params = {**cfg.point.model_dump(), "seed": cfg.seed}
    with alone(lock_file(key), f"trial {key[:12]}"):
        tries = journal.tries(key)
        deaths = bury(journal, tries, job.trace)
        if finished := journal.finished(tries):
            result = _replayed(finished.result, cfg)
            if parent_id is None or finished.parent_id == parent_id:
                return Outcome(key, finished.run_id, True, result)
            mirror = journal.mirror(finished, name, parent_id, params, tags)
            if mirror is not None:
                with finishing(), _closing(journal, mirror):
                    job.show(mirror, result)
            return Outcome(key, finished.run_id, True, result, shared=True)
        before_training()
        with finishing():
            run_id = journal.start(
                name, parent_id=parent_id, params=params, tags={**tags, **stamp(), KEY_TAG: key}
            )
            with _closing(journal, run_id):
                require_life(deaths)
                result = job.train_and_record(run_id)
            shutil.rmtree(job.folder, ignore_errors=True)
        return Outcome(key, run_id, False, result)


def _replayed(recorded: Mapping[str, Any], cfg: Config) -> TrialResult:
    """Return a recorded result with the objective of ``cfg``, which may not be the recorded one."""
    result = TrialResult.model_validate(recorded)
    if result.metrics is None:
        return result
    metrics = result.metrics.model_dump(exclude_none=True)
    return result.model_copy(update={"objective": objective_of(cfg.objective, metrics)})


@contextmanager
def _closing(journal: Journal, run_id: str) -> Iterator[None]:
    """Close a run when the block ends: as FINISHED, as FAILED with its traceback, or as KILLED."""
    try:
        yield
        journal.close(run_id, "FINISHED")
    except KeyboardInterrupt:
        journal.close(run_id, "KILLED")
        raise
    except JournalLostError:
        raise
    except Exception as error:
        journal.write_text(run_id, "error.txt", traceback.format_exc())
        journal.close(run_id, "FAILED")
        if isinstance(error, UserError):
            raise
        raise TrialFailedError(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class _Job:
    """A trial and everything needed to train and record it."""

    cfg: Config
    purpose: Purpose
    journal: Journal
    resources: Resources
    identity: Mapping[str, Any]
    key: str
    label: str

    @property
    def folder(self) -> Path:
        """The folder of a running trial's files; it is removed when the trial is done."""
        return runs_dir() / self.key

    @property
    def trace(self) -> Path:
        return self.folder / "crash.txt"

    @property
    def plan(self) -> SplitPlan:
        return split_plan(self.cfg.protocol, self.purpose)

    def train_and_record(self, run_id: str) -> TrialResult:
        """Train and write the run's files; ``result.json``, which a replay reads, comes last."""
        self._describe(run_id)
        recorded = self._handed_over()
        if recorded is None:
            final = self.purpose is Purpose.FINAL
            monitor = system_metrics(run_id) if final else nullcontext()
            limit = time_limit(self.cfg.tune.max_trial_seconds, self.trace)
            with watched(self.trace), limit, monitor, full_disk_explained(runs_dir()):
                recorded = self._compute(run_id)
                write_json(
                    self.folder / RESULT, recorded.model_dump(mode="json", exclude_unset=True)
                )
        self._measure(run_id, recorded)
        for name in (*FINAL_FILES, RESULT):
            if (self.folder / name).exists():
                self.journal.write_file(run_id, self.folder / name)
        return recorded

    def show(self, run_id: str, result: TrialResult) -> None:
        """Show a replayed trial as if it had been trained in this run."""
        self._describe(run_id)
        with closing(CurveLog(self.journal, run_id)) as curve:
            for row in result.curve:
                curve.add(row.model_dump(exclude_unset=True))
        self._measure(run_id, result)

    def _describe(self, run_id: str) -> None:
        self.journal.write_json(run_id, "config.json", self.cfg.model_dump(mode="json"))
        self.journal.log_dataset(
            run_id,
            self.cfg.dataset.name,
            self.resources.manifest.digest,
            str(prepared_dir(self.cfg.dataset.name)),
            "+".join(self.plan.train),
        )

    def _measure(self, run_id: str, result: TrialResult) -> None:
        metrics = {"wall/seconds": result.seconds, "wall/fit_seconds": result.fit_seconds}
        if self.purpose is Purpose.SEARCH:  # a final trial's objective is its test accuracy
            metrics["objective"] = result.objective
        elif result.metrics is not None:
            metrics |= {f"test/{name}": getattr(result.metrics, name) for name in _TEST_METRICS}
        self.journal.log(run_id, metrics, step=result.epoch)
        if result.status == "diverged":
            self.journal.tag(run_id, {"diverged": "true"})

    def _handed_over(self) -> TrialResult | None:
        """Return a result that an earlier process computed but could not record, or None.

        That happens when the journal or the process goes away in between.
        """
        try:
            return _replayed(json.loads((self.folder / RESULT).read_bytes()), self.cfg)
        except (FileNotFoundError, ValueError):
            return None

    def _compute(self, run_id: str) -> TrialResult:
        """Train; a final trial also writes its output to the trial's folder."""
        resources, environment = self.resources, self.resources.environment
        simulated = self.cfg.machine.simulate is not None
        device = "cpu" if simulated else environment.device  # asking a card its name starts CUDA
        with closing(CurveLog(self.journal, run_id)) as curve:
            if simulated:
                result, final = simulate(self.cfg, resources.manifest, self.plan, curve.add), None
            else:
                require_one_device(device)
                result, final = train(
                    self.cfg,
                    self.plan,
                    resources.manifest,
                    resources.store,
                    resources.weights.path if resources.weights else None,
                    Checkpoint(self.folder / "checkpoint.ckpt"),
                    [Progress(self.label), Record(curve.add)],
                )
        if final is not None:
            write_final(self.folder, resources.manifest, final)
        return TrialResult.model_validate(
            {
                **asdict(result),
                "identity": self.identity,
                "host": socket.gethostname(),
                "device": device,
                "hardware": hardware(device),
                "threads": environment.threads,
                "finished": datetime.now(UTC).replace(microsecond=0),
            }
        )
