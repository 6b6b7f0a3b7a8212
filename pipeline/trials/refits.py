"""Refit the chosen point of a cell, through the journal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hydra_skopt_sweeper.errors import StopSweep

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import Manifest
from pipeline.settings.folders import sweep_dir, target
from pipeline.settings.schema import Config
from pipeline.training.data import TEST, Purpose
from pipeline.trials import sweep
from pipeline.trials.clock import require_refit_time
from pipeline.trials.contract import BestFile, ClassRow, Figures, Outcome
from pipeline.trials.identity import Environment, identity, key_of
from pipeline.trials.journal import Journal
from pipeline.trials.lines import refit_line
from pipeline.trials.openings import Opening
from pipeline.trials.resources import find_resources
from pipeline.trials.run import TrialFailedError, run
from pipeline.trials.run_rows import FinalRunRow
from pipeline.trials.tables import write_rows

_METRICS = ("top1", "top5", "mean_class", "paddle_batch_mean", "loss")
"""The metrics that are listed by seed."""


def refit_seeds(cfg: Config, journal: Journal) -> dict[int, Outcome]:
    """Refit the point of ``cfg`` with each of the first seeds, and return the trials by seed.

    The first one always runs. Others run only if the search has time left (``search.max_hours``);
    finished ones are read from the journal in any case. Raises UserError when one fails or
    diverges.
    """
    outcomes: dict[int, Outcome] = {}
    for seed in cfg.evaluate.first_seeds:
        seconds = [each.result.seconds for each in outcomes.values()]
        try:
            outcomes[seed] = refit(
                cfg,
                seed,
                journal,
                partial(require_refit_time, cfg, sweep_dir(cfg), seconds),
            )
        except StopSweep as over:
            print(f"refit seed {seed}  left out: {over}", flush=True)
    return outcomes


def refit(
    cfg: Config, seed: int, journal: Journal, before_training: Callable[[], None] = lambda: None
) -> Outcome:
    """Train the point of ``cfg`` on train and validation, predict the test split, print a line.

    ``before_training`` is called unless the trial is replayed; what it raises is passed on. Raises
    UserError when the trial fails or diverges.
    """
    cfg = cfg.model_copy(update={"seed": seed})
    try:
        outcome = run(
            cfg,
            Purpose.FINAL,
            journal,
            name=f"seed {seed} · {cfg.dataset.name} · {cfg.point.brief}",
            label=f"{cell_name(cfg)} seed {seed}",
            parent_id=None,
            tags=sweep.tags(cfg, Purpose.FINAL),
            before_training=before_training,
        )
    except TrialFailedError as error:
        raise UserError(f"{cell_name(cfg)}: the refit with seed {seed} failed: {error}") from error
    if outcome.result.metrics is None:
        raise UserError(
            f"{cell_name(cfg)}: the refit with seed {seed} diverged at a learning rate of "
            f"{cfg.lr:g}. Leave that rate out of the space and run tune again"
        )
    print(refit_line(cfg, outcome.result, replayed=outcome.replayed), flush=True)
    return outcome


def missing(cfg: Config, seeds: Iterable[int], journal: Journal) -> set[str]:
    """Return the keys of the refits with these seeds that are not finished in the journal."""
    environment = find_resources(cfg).environment
    refitted = [cfg.model_copy(update={"seed": seed}) for seed in seeds]
    keys = {key_of(identity(each, Purpose.FINAL, environment)) for each in refitted}
    return {key for key in keys if journal.finished(journal.tries(key)) is None}


def require_same(cfg: Config, path: Path, best: BestFile, environment: Environment) -> None:
    """Raise UserError unless the cell was tuned on the present data and weights."""
    for what in ("data_digest", "weights_digest"):
        tuned, now = str(getattr(best, what)), str(getattr(environment, what))
        if tuned != now:
            raise UserError(
                f"{path}: {what} is {tuned[:12]}, but it is {now[:12]} now. "
                f"Run tune again: dvc repro -s {tune_target(cfg)}"
            )


def opening_rows(
    project: str, best: BestFile, trainings: Iterable[tuple[str, int]]
) -> list[Opening]:
    """Return an opening of the test split for each training of a cell, given by key and seed."""
    return [
        Opening(
            data_digest=best.data_digest,
            key=key,
            pipeline=project,
            protocol=best.protocol,
            recipe=best.recipe["name"],
            model=best.model,
            strategy=best.strategy,
            seed=seed,
        )
        for key, seed in trainings
        if key
    ]


def write_runs(folder: Path, outcomes: Mapping[int, Outcome], journal: Journal) -> None:
    """Write ``final_runs.csv``: the run of each seed and its cost."""
    experiment = journal.experiment_id
    rows = [FinalRunRow.of(each, experiment, seed=seed) for seed, each in outcomes.items()]
    write_rows(folder / "final_runs.csv", FinalRunRow, rows)


def per_seed(
    outcomes: Mapping[int, Outcome], results: Sequence[Figures], manifest: Manifest
) -> dict[str, Any]:
    """Return the fields of a PerSeed, and ``per_class``, for the refits of these seeds."""
    return {
        **{name: [getattr(result, name) for result in results] for name in _METRICS},
        "seeds": list(outcomes),
        "keys": [each.key for each in outcomes.values()],
        "per_class": _by_class(manifest, results),
    }


def _by_class(manifest: Manifest, results: Sequence[Figures]) -> list[ClassRow]:
    """Average the accuracy of each class over the seeds; empty unless every seed measured it."""
    measured = [result.per_class for result in results if result.per_class is not None]
    if len(measured) < len(results):
        return []
    names = manifest.class_names
    images = np.bincount(manifest.labels[manifest.rows(TEST)], minlength=len(names))
    return [
        ClassRow(name=name, images=int(count), top1=float(mean))
        for name, count, mean in zip(names, images, np.mean(measured, axis=0), strict=True)
    ]


def cell_name(cfg: Config) -> str:
    return f"{cfg.dataset.name}-{cfg.model.name}-{cfg.strategy.name}"


def tune_target(cfg: Config) -> str:
    """Return the argument for ``dvc repro`` that tunes the cell."""
    return target(Path(cfg.root), "tune", cell_name(cfg))
