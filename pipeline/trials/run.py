"""Run a trial through the journal: replay it if it is finished, else train it, once, and record."""

from __future__ import annotations

import json
import shutil
import socket
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.base.disk import full_disk_explained
from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.base.locks import alone
from pipeline.settings.folders import lock_file, prepared_dir, runs_dir
from pipeline.settings.machine import hardware
from pipeline.settings.schema import Config
from pipeline.training.data import Purpose, split_plan
from pipeline.training.final_output import FINAL_FILES, write_final
from pipeline.training.trial import Result, train
from pipeline.trials.curves import CurveLog, system_metrics
from pipeline.trials.deaths import bury, require_life, stamp, watched
from pipeline.trials.identity import Environment, identity, key_of, point_of
from pipeline.trials.interruptions import finishing, time_limit
from pipeline.trials.journal import KEY_TAG, RESULT, Journal
from pipeline.trials.resources import Resources, find_resources
from pipeline.trials.simulated import simulate
from pipeline.trials.store import JournalLostError


class TrialFailedError(Exception):
    """The trial could not be computed; its run says FAILED and holds the traceback."""


_TEST_METRICS = ("top1", "top5", "mean_class", "loss")


@dataclass(frozen=True)
class Outcome:
    """A finished trial and where it stands in the journal."""

    key: str
    run_id: str
    replayed: bool
    result: dict[str, Any]
    shared: bool = False
    """Replayed, and trained for another sweep than this one."""


def run(
    cfg: Config,
    purpose: Purpose,
    journal: Journal,
    *,
    name: str,
    label: str,
    parent_id: str | None,
    tags: Mapping[str, str],
) -> Outcome:
    """The result of a trial, replayed from the journal or trained now.

    ``name`` and ``tags`` show the run to people, ``label`` stands before its progress bar.
    Raises TrialFailedError when training failed; KeyboardInterrupt passes through with the run
    closed as KILLED.
    """
    resources = find_resources(cfg)
    plain = identity(cfg, purpose, resources.environment)
    key = key_of(plain)
    params = {**point_of(cfg), "seed": cfg.seed}
    with alone(lock_file(key), f"trial {key[:12]}"):
        tries = journal.tries(key)
        deaths = bury(journal, tries, _trace(key))
        finished = journal.finished(tries)
        if finished is not None:
            if parent_id is None or finished.parent_id == parent_id:
                return Outcome(key, finished.run_id, True, finished.result)
            mirror = journal.mirror(finished, name, parent_id, params, tags)
            if mirror is not None:
                with finishing(), _closing(journal, mirror):
                    _shown(cfg, purpose, journal, mirror, resources, finished.result)
            return Outcome(key, finished.run_id, True, finished.result, shared=True)
        with finishing():
            run_id = journal.start(
                name, parent_id=parent_id, params=params, tags={**tags, **stamp(), KEY_TAG: key}
            )
            with _closing(journal, run_id):
                require_life(deaths)
                result = _recorded(cfg, purpose, journal, run_id, plain, resources, label)
            shutil.rmtree(_folder(key), ignore_errors=True)
        return Outcome(key, run_id, False, result)


@contextmanager
def _closing(journal: Journal, run_id: str) -> Iterator[None]:
    """Close a run as what became of the block: FINISHED, FAILED with its traceback, or KILLED."""
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


def _recorded(
    cfg: Config,
    purpose: Purpose,
    journal: Journal,
    run_id: str,
    plain: Mapping[str, Any],
    resources: Resources,
    label: str,
) -> dict[str, Any]:
    """Train, and write what a replay reads: ``result.json``, last."""
    _described(cfg, purpose, journal, run_id, resources)
    key = key_of(plain)
    recorded = _handed_over(key)
    if recorded is None:
        monitor = system_metrics(run_id) if purpose is Purpose.FINAL else nullcontext()
        limit = time_limit(cfg.tune.max_trial_seconds, _trace(key))
        with watched(_trace(key)), limit, monitor, full_disk_explained(runs_dir()):
            result = _compute(cfg, purpose, journal, run_id, key, resources, label)
            recorded = {**asdict(result), "identity": plain, **_where(resources.environment)}
            write_json(_folder(key) / RESULT, recorded)
    _measured(journal, run_id, purpose, recorded)
    for name in (*FINAL_FILES, RESULT):
        if (_folder(key) / name).exists():
            journal.write_file(run_id, _folder(key) / name)
    return recorded


def _shown(
    cfg: Config,
    purpose: Purpose,
    journal: Journal,
    run_id: str,
    resources: Resources,
    result: dict[str, Any],
) -> None:
    """Show a replayed trial as if it had been trained in this run."""
    _described(cfg, purpose, journal, run_id, resources)
    with CurveLog(journal, run_id) as curve:
        for row in result["curve"]:
            curve.add(row)
    _measured(journal, run_id, purpose, result)


def _described(
    cfg: Config, purpose: Purpose, journal: Journal, run_id: str, resources: Resources
) -> None:
    journal.write_json(run_id, "config.json", cfg.model_dump(mode="json"))
    journal.log_dataset(
        run_id,
        cfg.dataset.name,
        resources.manifest.digest,
        str(prepared_dir(cfg.dataset.name)),
        "+".join(split_plan(cfg.protocol, purpose).train),
    )


def _measured(journal: Journal, run_id: str, purpose: Purpose, result: Mapping[str, Any]) -> None:
    metrics = {"cost/seconds": result["seconds"], "cost/fit_seconds": result["fit_seconds"]}
    if purpose is Purpose.SEARCH:  # a final trial's is its test accuracy: nothing to choose by
        metrics["objective"] = result["objective"]
    elif result["metrics"] is not None:
        metrics |= {f"test/{name}": result["metrics"][name] for name in _TEST_METRICS}
    journal.log(run_id, metrics, step=result["epoch"])
    if result["status"] == "diverged":
        journal.tag(run_id, {"diverged": "true"})


def _handed_over(key: str) -> dict[str, Any] | None:
    """What an earlier process computed in full and could not record, because the journal or the
    process itself went away.
    """
    try:
        recorded: dict[str, Any] = json.loads((_folder(key) / RESULT).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return recorded


def _compute(
    cfg: Config,
    purpose: Purpose,
    journal: Journal,
    run_id: str,
    key: str,
    resources: Resources,
    label: str,
) -> Result:
    """Train, and leave in the trial's folder what a final trial hands over."""
    with CurveLog(journal, run_id) as curve:
        if cfg.machine.simulate is not None:
            return simulate(cfg, resources.manifest, split_plan(cfg.protocol, purpose), curve.add)
        result, final = train(
            cfg,
            split_plan(cfg.protocol, purpose),
            resources.manifest,
            resources.store,
            resources.weights.path if resources.weights else None,
            checkpoint=_folder(key) / "checkpoint.ckpt",
            record=curve.add,
            label=label,
            precision=resources.environment.precision,
            device=resources.environment.device,
            threads=resources.environment.threads,
        )
    if final is not None:
        write_final(_folder(key), resources.manifest, final)
    return result


def _folder(key: str) -> Path:
    """What a trial under way keeps on disk; it goes when the trial is done."""
    return runs_dir() / key


def _trace(key: str) -> Path:
    return _folder(key) / "crash.txt"


def _where(environment: Environment) -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "device": environment.device,
        "hardware": hardware(environment.device),
        "threads": environment.threads,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
