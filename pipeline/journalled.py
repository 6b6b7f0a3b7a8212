"""Run a trial through the journal: replay it if it is finished, else train it, once, and record."""

from __future__ import annotations

import shutil
import socket
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.config import Config, UserError
from pipeline.deaths import own_fault, stamp, watched
from pipeline.final_output import keep
from pipeline.identity import Environment, identity, key_of, point_of
from pipeline.layout import prepared_dir, runs_dir
from pipeline.locks import owning
from pipeline.setting import Setting, setting
from pipeline.tracking import KEY_TAG, Journal
from pipeline.training.data import Purpose, split_plan
from pipeline.trial import Result, train

DEATHS = 2
"""A trial that killed its process so often is failed without another try."""


class TrialFailedError(Exception):
    """The trial could not be computed; its run says FAILED and holds the traceback."""


@dataclass(frozen=True)
class Outcome:
    """A finished trial and where it stands in the journal."""

    key: str
    run_id: str
    replayed: bool
    result: dict[str, Any]


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
    found = setting(cfg)
    plain = identity(cfg, purpose, found.environment)
    key = key_of(plain)
    params = {**point_of(cfg), "seed": cfg.seed}
    with owning(key, f"trial {key[:12]}"):
        finished = journal.find(key)
        if finished is not None:
            if parent_id is not None and finished.parent_id != parent_id:
                metrics = _ui_metrics(finished.result)
                journal.mirror(finished, name, parent_id, params, tags, metrics)
            return Outcome(key, finished.run_id, True, finished.result)
        _bury(journal, key)
        run_id = journal.start(
            name, parent_id=parent_id, params=params, tags={**tags, **stamp(), KEY_TAG: key}
        )
        with _closing(journal, run_id):
            result = _recorded(cfg, purpose, journal, run_id, plain, found, label)
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
    found: Setting,
    label: str,
) -> dict[str, Any]:
    """Train, and write what a replay reads: ``result.json``, last."""
    journal.write_json(run_id, "config.json", cfg.model_dump(mode="json"))
    journal.log_dataset(
        run_id,
        cfg.dataset.name,
        found.manifest.digest,
        str(prepared_dir(cfg.dataset.name)),
        "+".join(split_plan(cfg.protocol, purpose).train),
    )
    key = key_of(plain)
    monitor = journal.system_metrics(run_id) if purpose is Purpose.FINAL else nullcontext()
    with watched(_trace(key)), monitor:
        result = _train(cfg, purpose, journal, run_id, key, found, label)
    recorded = {**asdict(result), "identity": plain, **_where(found.environment)}
    journal.log(run_id, _ui_metrics(recorded), step=result.epoch)
    if result.status == "diverged":
        journal.tag(run_id, {"diverged": "true"})
    journal.write_json(run_id, "result.json", recorded)
    return recorded


def _train(
    cfg: Config,
    purpose: Purpose,
    journal: Journal,
    run_id: str,
    key: str,
    found: Setting,
    label: str,
) -> Result:
    def record(row: Mapping[str, float | int]) -> None:
        metrics = {f"val/{k}": v for k, v in row.items() if k not in ("epoch", "train_loss")}
        journal.log(run_id, {**metrics, "train/loss": row["train_loss"]}, step=int(row["epoch"]))

    result, final = train(
        cfg,
        split_plan(cfg.protocol, purpose),
        found.manifest,
        found.store,
        found.weights.path if found.weights else None,
        checkpoint=_folder(key) / "checkpoint.ckpt",
        record=record,
        label=label,
        precision=found.environment.precision,
        device=found.environment.device,
        threads=found.environment.threads,
    )
    if final is not None:
        keep(journal, run_id, _folder(key), found.manifest, final)
    return result


def _folder(key: str) -> Path:
    """What a trial under way keeps on disk; it goes when the trial is done."""
    return runs_dir() / key


def _bury(journal: Journal, key: str) -> None:
    """Mark runs whose process died; the free lock proves that nobody works on them.

    Raises TrialFailedError, with a FAILED run, when the trial itself killed its process in its
    last tries.
    """
    runs = journal.search(f"tags.`{KEY_TAG}` = '{key}'")
    deaths = 0
    for each in runs:
        died = each.data.tags.get("died")
        if each.info.status == "RUNNING":
            died = "itself" if own_fault(each.data.tags, _trace(key)) else "stopped"
            journal.tag(each.info.run_id, {"died": died})
            journal.close(each.info.run_id, "KILLED")
        deaths = 0 if each.info.status == "FAILED" else deaths + (died == "itself")
    _trace(key).unlink(missing_ok=True)
    if deaths >= DEATHS:
        message = (
            f"its process ran out of memory or crashed {deaths} times; "
            "a smaller recipe.micro_batch needs less memory"
        )
        run_id = journal.start("died", parent_id=None, params={}, tags={KEY_TAG: key})
        journal.write_text(run_id, "error.txt", message)
        journal.close(run_id, "FAILED")
        raise TrialFailedError(message)


def _trace(key: str) -> Path:
    return _folder(key) / "crash.txt"


def _where(environment: Environment) -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "device": environment.device,
        "threads": environment.threads,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _ui_metrics(result: Mapping[str, Any]) -> dict[str, float]:
    return {
        "objective": result["objective"],
        "cost/seconds": result["seconds"],
        "cost/fit_seconds": result["fit_seconds"],
    }
