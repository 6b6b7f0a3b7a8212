"""Refit the chosen point of a cell on train and validation, and open the test split, once.

Reads best.yaml; writes final.json, final_runs.csv, openings.csv, predictions.parquet and the model
of the first seed. Refits are trials in the journal, so cells that chose the same point share them.
Under the paddle protocol nothing is refitted: the result is the accuracy that chose the point.
Run: python -m pipeline.evaluate dataset=digits strategy=grid --config-path quickstart
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.base.statistics import t_interval
from pipeline.base.text import count, printable
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.stats import copied_from_test, leaked_images, notes
from pipeline.deployment.final_model import Delivered, deliver, register_final, write_card
from pipeline.deployment.provenance import provenance
from pipeline.planning.input_size import require_network
from pipeline.planning.pace import progress
from pipeline.search.replay import replays
from pipeline.settings.accelerators import take_own_device
from pipeline.settings.command_line import stage
from pipeline.settings.compose import sweeper_options
from pipeline.settings.folders import prepared_dir, results_dir, sweep_dir
from pipeline.settings.schema import Config
from pipeline.training.data import TEST
from pipeline.trials import refits
from pipeline.trials.clock import counting_on, require_refit_time
from pipeline.trials.contract import BestFile, Figures, FinalFile, Outcome, TrialResult, TrialRow
from pipeline.trials.final_parts import Replays, SharePoint, Weights
from pipeline.trials.journal import Journal
from pipeline.trials.learning_curve import learning_curve
from pipeline.trials.openings import Opening, add_openings
from pipeline.trials.openings import count as openings
from pipeline.trials.resources import Resources, find_resources
from pipeline.trials.tables import numbered, read_file, read_rows


def evaluate(cfg: Config) -> None:
    """Refit the chosen point with every seed, and write its results on the test split.

    If the search has too little time left (``search.max_hours``), there are fewer seeds, but at
    least one. Raises UserError when the cell is not tuned, was tuned on other data or weights, or
    was only simulated.
    """
    with counting_on(cfg, sweep_dir(cfg)):
        _evaluate(cfg)


def _evaluate(cfg: Config) -> None:
    if line := progress(cfg):
        print(line, flush=True)
    folder = results_dir(cfg)
    best = _chosen(cfg, folder / "best.yaml")
    asked, cfg = cfg, cfg.model_copy(update=best.point.model_dump())
    if cfg.protocol.name == "heldout":  # its refits
        take_own_device(cfg.machine)
    resources = find_resources(cfg)
    refits.require_same(cfg, folder / "best.yaml", best, resources.environment)
    replayed = _replays(asked)  # before hours of refits: what it is asked for may be wrong
    journal = Journal.open(cfg.project, cfg.title)
    if cfg.protocol.name == "paddle":
        outcomes = {cfg.seed: _selected(cfg, best.key, journal)}
    else:
        outcomes = refits.refit_seeds(cfg, journal)
    first = next(iter(outcomes.values()))
    results = [each.result.metrics for each in outcomes.values() if each.result.metrics]
    delivered = None
    if cfg.protocol.name == "heldout":
        assert best.temperature is not None
        delivered = deliver(cfg, journal, outcomes, resources, best.temperature, folder)
        results[0] = delivered.figures
    refits.write_runs(folder, outcomes, journal)
    curve = []
    if delivered is not None:
        whole = numbered(read_rows(folder / "trials.csv", TrialRow), best.trial).top1
        searched = cfg.model_copy(update={"seed": best.seed})
        seconds = [each.result.seconds for each in outcomes.values()]
        require_time = partial(require_refit_time, cfg, sweep_dir(cfg), seconds)
        curve = learning_curve(searched, resources.manifest, journal, whole, require_time)
    final = _final(cfg, resources, outcomes, results, replayed, delivered, curve)
    write_json(folder / "final.json", final.model_dump(mode="json", by_alias=True))
    opened = add_openings(Path(cfg.root), folder, _openings(cfg, best, final, folder))
    if delivered is not None:
        model = folder / "model"
        write_card(cfg, final, model)
        print(register_final(cfg, journal, first, resources, best.objective, model))
    print(
        f"test top-1 {final.top1_mean:.4f} over {count(len(final.seeds), 'seed')}; test split "
        f"opened by {count(openings(opened, final.data_digest), 'training')} so far\n"
        f"without training {final.chance:.4f} by chance, {final.majority:.4f} by always answering "
        f"'{printable(final.majority_class)}'"
    )


def _chosen(cfg: Config, path: Path) -> BestFile:
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; the cell is not tuned. Run: dvc repro {refits.tune_target(cfg)}"
        )
    best = read_file(path, BestFile)
    if cfg.machine.simulate or best.machine.simulated:
        raise UserError(
            f"{path}: a simulated cell has nothing to evaluate. Set "
            f"machine.simulate to null and run: dvc repro {refits.tune_target(cfg)}"
        )
    if best.temperature is None and cfg.protocol.name == "heldout":
        raise UserError(
            f"{path}: of an older version, without a temperature. "
            f"Run: dvc repro -f {refits.tune_target(cfg)}"
        )
    return best


def _selected(cfg: Config, key: str, journal: Journal) -> Outcome:
    """Return the chosen trial from the journal."""
    finished = journal.finished(journal.tries(key))
    if finished is None:
        raise UserError(
            f"{refits.cell_name(cfg)}: the chosen trial {key[:12]} is not in the journal. "
            f"Run tune again: dvc repro -f -s {refits.tune_target(cfg)}"
        )
    result = TrialResult.model_validate(finished.result)
    return Outcome(key, finished.run_id, True, result)


def _final(
    cfg: Config,
    resources: Resources,
    outcomes: Mapping[int, Outcome],
    results: Sequence[Figures],
    replayed: Replays | None,
    delivered: Delivered | None,
    curve: list[SharePoint],
) -> FinalFile:
    stats = json.loads((prepared_dir(cfg.dataset.name) / "stats.json").read_text())
    per_seed = refits.per_seed(outcomes, results, resources.manifest)
    interval = t_interval(per_seed["top1"])
    classes = resources.manifest.class_names
    largest, majority = _majority(resources.manifest)
    test_copies, test_groups = copied_from_test(stats)
    return FinalFile(
        dataset=cfg.dataset.name,
        title=cfg.dataset.title,
        model=cfg.model.name,
        model_title=cfg.model.title,
        strategy=cfg.strategy.name,
        protocol=cfg.protocol.name,
        point=cfg.point,
        **per_seed,
        seeds_left_out=[
            each for each in cfg.evaluate.first_seeds if delivered and each not in outcomes
        ],
        top1_mean=interval.mean,
        top1_low=interval.low,
        top1_high=interval.high,
        images=stats["totals"],
        classes=classes,
        chance=1 / len(classes),
        majority=majority,
        majority_class=classes[largest],
        confusion=results[0].confusion,
        data_digest=resources.environment.data_digest,
        weights=Weights(source=cfg.model.weights, sha256=resources.environment.weights_digest),
        accepted_counts=stats["accepted_counts"],
        leaked=leaked_images(stats),
        leaked_groups=len(stats["duplicates"]),
        leaked_test=test_copies,
        leaked_test_groups=test_groups,
        two_labels=len(stats["two_labels"]),
        unreadable=len(stats["unreadable"]),
        data_notes=list(notes(stats)),
        provenance=provenance(),
        calibration=delivered.calibration if delivered else None,
        learning_curve=curve,
        replays=replayed,
        looks=len(cfg.evaluate.looks),
    )


def _majority(manifest: Manifest) -> tuple[int, float]:
    """Return the label of the largest class of train and validation, and its share of test."""
    labels = manifest.labels
    largest = int(np.bincount(labels[manifest.rows(("train", "val"))]).argmax())
    return largest, float((labels[manifest.rows(TEST)] == largest).mean())


def _openings(cfg: Config, best: BestFile, final: FinalFile, folder: Path) -> list[Opening]:
    """Return the trainings of this cell that saw the test split."""
    trainings = list(zip(final.keys, final.seeds, strict=True))
    if cfg.protocol.name == "paddle":
        trainings = [(row.key, row.seed) for row in read_rows(folder / "trials.csv", TrialRow)]
    return refits.opening_rows(cfg.project, best, trainings)


def _replays(cfg: Config) -> Replays | None:
    """Replay searches on the cell's finished grid, to see how much luck matters; else None."""
    if cfg.strategy.name != "grid":
        return None
    return replays(results_dir(cfg) / "trials.csv", sweeper_options(cfg, "bayes"))


if __name__ == "__main__":
    stage(evaluate, __doc__ or "", require_network)
