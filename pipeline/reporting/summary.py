"""Summarise each cell in a few figures, and compute what bayes loses against grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.base.comparison import accuracy_interval
from pipeline.base.statistics import Interval, t_interval
from pipeline.reporting.comparisons import Difference, difference
from pipeline.reporting.published import PublishedRow
from pipeline.reporting.results import Cell, CellName, Results
from pipeline.settings.point import Point
from pipeline.settings.schema import Objective
from pipeline.trials.contract import FinalFile
from pipeline.trials.final_parts import Replays
from pipeline.trials.openings import count
from pipeline.trials.record import Protocol
from pipeline.trials.run_rows import Journalled

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class CellSummary:
    """The figures of one cell; those that evaluate measures are None until it has run."""

    name: CellName
    choice: tuple[Protocol, Objective]
    dataset_title: str
    model_title: str
    top1: Interval | None
    mean_class: Interval | None
    top5: Interval | None
    seed_top1: list[float]
    """Test top-1 of each refit."""
    chance: float | None
    """Top-1 of guessing every class equally often."""
    majority: float | None
    """Top-1 of always answering the largest class."""
    majority_class: str
    openings: int | None
    """How many trainings have opened the test split of the data."""
    published: float | None
    trials: int
    failed: int
    diverged: int
    hours: float
    """Device-hours of the search; a replayed trial counts what its training took."""
    refit_hours: float | None
    objective: float
    point: Point
    seeds: int
    same_as: list[str]
    """The other strategies of this dataset and model that chose the same point."""

    @property
    def protocol(self) -> Protocol:
        return self.choice[0]


@dataclass(frozen=True)
class Claim:
    """The loss of bayes against grid on one dataset and model: grid minus bayes, test top-1."""

    dataset: str
    model: str
    dataset_title: str
    model_title: str
    choice: tuple[Protocol, Objective]
    difference: Difference
    """Difference paired over the seeds that both have."""
    selection_loss: float
    """The gap between the two objectives by which the points were chosen."""
    grid_trials: int
    bayes_trials: int
    replayed: Interval | None
    """The mean gap to the grid's best over searches that were replayed on it until they ended."""
    searches: int
    grid_failed: bool
    """Whether a trial of the grid failed, so that no search could be replayed on it."""
    published: float | None
    published_trials: int | None

    @property
    def loss(self) -> Interval:
        return self.difference.interval


def summarise(results: Results, published: Mapping[str, PublishedRow]) -> list[CellSummary]:
    by_name = {cell.name: cell for cell in results.cells}
    return [_summary(cell, by_name, published.get(cell.name.dataset)) for cell in results.cells]


def _summary(
    cell: Cell, by_name: dict[CellName, Cell], published: PublishedRow | None
) -> CellSummary:
    name, final = cell.name, cell.final
    finals = [(each, other.final) for each, other in by_name.items() if other.final]
    statuses = [row.status for row in cell.trials]
    return CellSummary(
        name=name,
        choice=cell.best.choice,
        dataset_title=next((f.title for n, f in finals if n.dataset == name.dataset), name.dataset),
        model_title=next((f.model_title for n, f in finals if n.model == name.model), name.model),
        top1=_top1(cell, final) if final else None,
        mean_class=_share(final.mean_class) if final else None,
        top5=_share(final.top5) if final else None,
        seed_top1=final.top1 if final else [],
        chance=final.chance if final else None,
        majority=final.majority if final else None,
        majority_class=final.majority_class if final else "",
        openings=_opened(final, by_name.values()) if final else None,
        published=published.top1.get(name.strategy) if published else None,
        trials=len(cell.trials),
        failed=statuses.count("failed"),
        diverged=statuses.count("diverged"),
        hours=_hours(cell.runs),
        refit_hours=_hours(cell.final_runs) if final and final.protocol == "heldout" else None,
        objective=cell.best.objective,
        point=cell.best.point,
        seeds=len(final.seeds) if final else 0,
        same_as=[
            other.strategy
            for other, found in by_name.items()
            if (other.dataset, other.model) == (name.dataset, name.model)
            and other != name
            and found.best.point == cell.best.point
        ],
    )


def _opened(final: FinalFile, cells: Iterable[Cell]) -> int:
    return count((row for cell in cells for row in cell.openings), final.data_digest)


def _top1(cell: Cell, final: FinalFile) -> Interval:
    """Average the test top-1 of the refits, with its interval over seeds and images if known."""
    right = cell.refits(final.seeds)
    if right is None:
        return _share(final.top1)
    interval = accuracy_interval(right)
    return Interval(fmean(final.top1), interval.low, interval.high)


def _share(values: Sequence[float]) -> Interval:
    """Average shares, with the t interval cut to [0, 1]."""
    interval = t_interval(values)
    if interval.low is None or interval.high is None:
        return interval
    return Interval(interval.mean, max(interval.low, 0.0), min(interval.high, 1.0))


def _hours(runs: Iterable[Journalled]) -> float:
    return sum(run.seconds or 0.0 for run in runs) / SECONDS_PER_HOUR


def claims(results: Results, published: Mapping[str, PublishedRow]) -> list[Claim]:
    """Return a claim for each dataset and model with both grid and bayes evaluated."""
    by_name = {cell.name: cell for cell in results.cells}
    found = []
    for name, grid in by_name.items():
        bayes = by_name.get(CellName(name.dataset, name.model, "bayes"))
        if name.strategy != "grid" or bayes is None or not grid.final or not bayes.final:
            continue
        loss = difference(grid, bayes)
        if loss is None:
            continue
        row = published.get(name.dataset)
        found.append(
            Claim(
                dataset=name.dataset,
                model=name.model,
                dataset_title=grid.final.title,
                model_title=grid.final.model_title,
                choice=grid.best.choice,
                difference=loss,
                selection_loss=grid.best.objective - bayes.best.objective,
                grid_trials=len(grid.trials),
                bayes_trials=len(bayes.trials),
                replayed=_replayed(grid.final.replays, bayes),
                searches=len(grid.final.replays.gaps) if grid.final.replays else 0,
                grid_failed=any(row.status == "failed" for row in grid.trials),
                published=row.loss if row else None,
                published_trials=row.trials["bayes"] if row else None,
            )
        )
    return found


def _replayed(replays: Replays | None, bayes: Cell) -> Interval | None:
    """Return the mean loss of searches like this one; None without replays of enough trials.

    With patience each search ends by itself, and keeps its last gap from then on.
    """
    if replays is None:
        return None
    patient = (bayes.best.search or {}).get("patience") is not None
    end = len(replays.gaps[0]) if patient else len(bayes.trials)
    if len(replays.gaps[0]) < end:
        return None
    return t_interval([row[end - 1] for row in replays.gaps])
