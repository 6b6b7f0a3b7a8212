"""Read and check what tune and evaluate exported, as typed rows.

A cell is one dataset, model and strategy; its files are in
``<root>/results/<dataset>/<model>/<strategy>/``. A missing file is not an error: the cell is listed
as missing. A damaged file is a UserError.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.base.paired_comparison import accuracy_interval
from pipeline.base.statistics import Interval, t_interval
from pipeline.settings.folders import decided_dir, target
from pipeline.trials.contract import BestFile, CurveRow, FinalFile, TrialRow
from pipeline.trials.more_seeds import MORE_SEEDS, MoreSeeds, joined
from pipeline.trials.openings import Opening, count, listed
from pipeline.trials.run_rows import FinalRunRow, Journalled, RunRow
from pipeline.trials.tables import damaged, numbered, read_file, read_rows

PREDICTIONS = "predictions.parquet"
CURVES = "curves.csv"


@dataclass(frozen=True, order=True)
class CellName:
    dataset: str
    model: str
    strategy: str

    def __str__(self) -> str:
        return f"{self.dataset}-{self.model}-{self.strategy}"


@dataclass(frozen=True)
class Cell:
    """One finished sweep; ``final`` is None until evaluate has opened the test split for it."""

    name: CellName
    folder: Path
    trials: list[TrialRow]
    runs: list[RunRow]
    best: BestFile
    final: FinalFile | None
    """Over all seeds, including those that decide added."""
    final_runs: list[FinalRunRow]
    prediction_folders: list[Path]
    """Folders of the ``predictions.parquet`` of these seeds."""
    openings: list[Opening]
    """Every training that opened a test split, of any cell, in this and other pipelines."""
    dataset_title: str
    model_title: str

    @cached_property
    def top1(self) -> Interval | None:
        """Return the mean test top-1 of the refits and its interval; None if not evaluated.

        The interval is over seeds and test images, or over seeds if predictions are missing.
        """
        right = self.refits(self.final.seeds) if self.final else None
        if self.final is None or right is None:
            return self.mean("top1")
        interval = accuracy_interval(right)
        return Interval(fmean(self.final.top1), interval.low, interval.high)

    def mean(self, metric: str) -> Interval | None:
        """Return a metric's mean over the refits and its t interval in [0, 1]; None without."""
        if self.final is None:
            return None
        interval = t_interval(getattr(self.final, metric))
        if interval.low is None or interval.high is None:
            return interval
        return Interval(interval.mean, max(interval.low, 0.0), min(interval.high, 1.0))

    @property
    def model_folder(self) -> str | None:
        """Return the folder of the delivered model; None if nothing is refitted."""
        refitted = self.final is not None and self.final.protocol == "heldout"
        return (self.folder / "model").as_posix() if refitted else None

    @property
    def opened(self) -> int | None:
        """Count the trainings that have opened this test split; None if not evaluated."""
        return count(self.openings, self.final.data_digest) if self.final else None

    @property
    def seconds(self) -> float:
        """Add up the device time of the search; a replayed trial counts its training."""
        return _seconds(self.runs)

    @property
    def refit_seconds(self) -> float | None:
        """Add up the device time of the refits; None if nothing is refitted."""
        return _seconds(self.final_runs) if self.model_folder else None

    def trials_that(self, status: str) -> int:
        """Count the trials with a status, such as failed."""
        return sum(row.status == status for row in self.trials)

    @property
    def curves(self) -> list[CurveRow]:
        """Read every trial's metrics after each epoch. They are not kept, to save memory."""
        return read_rows(self.folder / CURVES, CurveRow)

    @cached_property
    def right_answers(self) -> dict[int, NDArray[np.bool_]]:
        """Read which test images each refit got right, by seed; empty if a file is missing."""
        paths = [folder / PREDICTIONS for folder in self.prediction_folders]
        if not all(path.is_file() for path in paths):
            return {}
        names = ["seed", "label", "prediction"]
        table = pa.concat_tables(pq.read_table(path, columns=names) for path in paths)
        seeds, labels, predictions = (table[name].to_numpy() for name in names)
        right = labels == predictions
        return {int(seed): right[seeds == seed] for seed in np.unique(seeds)}

    def refits(self, seeds: Sequence[int]) -> NDArray[np.bool_] | None:
        """Return which test images these seeds got right, [seeds, images].

        Returns None if fewer than two seeds have predictions, or of other images.
        """
        rows = [self.right_answers.get(seed, np.empty(0, np.bool_)) for seed in seeds]
        if len(rows) < 2 or not rows[0].size or len({len(row) for row in rows}) > 1:
            return None
        return np.stack(rows)

    @property
    def chosen(self) -> TrialRow:
        """Return the trial that best.yaml names."""
        return numbered(self.trials, self.best.trial)


@dataclass(frozen=True)
class Missing:
    name: CellName
    stage: str
    """The next stage to run: tune or evaluate."""
    root: Path
    """Folder of its pipeline."""

    @property
    def target(self) -> str:
        """Return the argument for `dvc repro` that runs the stage."""
        return target(self.root, self.stage, str(self.name))


@dataclass(frozen=True)
class Results:
    cells: list[Cell]
    missing: list[Missing]


def read_results(root: Path, names: Iterable[CellName]) -> Results:
    """Read the named cells below ``root/results``, in the order of ``names``."""
    cells, missing = [], []
    for name in names:
        cell = _read_cell(root, name)
        if cell is not None:
            cells.append(cell)
        if cell is None or cell.final is None:
            missing.append(Missing(name, "tune" if cell is None else "evaluate", root))
    finals = [(cell.name, cell.final) for cell in cells if cell.final]
    datasets = {name.dataset: final.title for name, final in finals}
    models = {name.model: final.model_title for name, final in finals}
    shared = [row for cell in cells for row in cell.openings]
    cells = [
        replace(
            cell,
            openings=shared,
            dataset_title=datasets.get(cell.name.dataset, cell.name.dataset),
            model_title=models.get(cell.name.model, cell.name.model),
        )
        for cell in cells
    ]
    return Results(cells, missing)


def _seconds(runs: Iterable[Journalled]) -> float:
    return sum(run.seconds or 0.0 for run in runs)


def _read_cell(root: Path, name: CellName) -> Cell | None:
    folder = root / "results" / name.dataset / name.model / name.strategy
    tuned = [folder / file for file in ("trials.csv", CURVES, "runs.csv", "best.yaml")]
    if not all(path.is_file() for path in tuned):
        return None
    trials = read_rows(tuned[0], TrialRow)
    runs = read_rows(tuned[2], RunRow)
    best = read_file(tuned[3], BestFile)
    numbers = [row.trial for row in trials]
    if numbers != sorted(set(numbers)):
        raise damaged(tuned[0], "the column trial must rise from row to row")
    if [row.key for row in runs] != [row.key for row in trials]:
        raise damaged(tuned[2], "its keys differ from those of trials.csv")
    if (best.trial, best.key) not in [(row.trial, row.key) for row in trials]:
        raise damaged(tuned[3], f"trial {best.trial} of trials.csv is not the one it names")
    final, final_runs = _read_final(folder, best)
    folders, decided = [folder], decided_dir(root, name.dataset, name.model)
    more = decided / name.strategy
    if final is not None and (more / MORE_SEEDS).is_file():
        added = read_file(more / MORE_SEEDS, MoreSeeds)
        if added.follows == final.keys[0] and not {*added.seeds} & {*final.seeds}:
            final = joined(final, added)
            final_runs = [*final_runs, *read_rows(more / "final_runs.csv", FinalRunRow)]
            folders.append(more)
    openings = [*listed(folder), *listed(decided)]
    read = (trials, runs, best, final, final_runs, folders, openings)
    return Cell(name, folder, *read, dataset_title="", model_title="")


def _read_final(folder: Path, best: BestFile) -> tuple[FinalFile | None, list[FinalRunRow]]:
    """Read the evaluation; None if it is missing or belongs to another point, data or weights."""
    if not (folder / "final.json").is_file() or not (folder / "final_runs.csv").is_file():
        return None, []
    final = read_file(folder / "final.json", FinalFile)
    same_data = final.data_digest == best.data_digest
    if not same_data or final.point != best.point or final.weights.sha256 != best.weights_digest:
        return None, []
    return final, read_rows(folder / "final_runs.csv", FinalRunRow)
