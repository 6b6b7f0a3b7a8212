"""Compose the section Provenance: from what, how, where and when the figures were made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.base.text import count
from pipeline.reporting.cell_groups import describe
from pipeline.reporting.document import Block, Section, Text
from pipeline.reporting.results import Cell, CellName
from pipeline.reporting.tables import Column, Figure, Table, Value, tabulated
from pipeline.trials.run_rows import Journalled

_GROUPS = (
    *("protocol", "recipe", "point", "space", "search", "first trial", "seed"),
    *("seeds of the refits", "machine", "precision", "version", "version at the evaluation"),
)
"""The order of the parameters."""


def provenance(cells: Sequence[Cell]) -> Section:
    """Compose the section. Its dates are the trials' own, so equal results give equal reports."""
    blocks: list[Block] = [
        Text(f"{cell.name}: the image counts differ from the official ones and were accepted.")
        for cell in cells
        if cell.final and cell.final.accepted_counts
    ]
    blocks += [
        Text(f"{cell.name}: {count(cell.final.unreadable, 'image')} left out as unreadable.")
        for cell in cells
        if cell.final and cell.final.unreadable
    ]
    of_dataset = {cell.name.dataset: cell.final.data_notes for cell in cells if cell.final}
    blocks += [
        Text(f"{dataset}: {note}") for dataset, notes in of_dataset.items() for note in notes
    ]
    return Section("Provenance", "provenance", [*blocks, _origins(cells), _parameters(cells)])


def _origins(cells: Sequence[Cell]) -> Table:
    """Make a row per cell with what differs between cells."""
    figures: list[Figure[Cell]] = [
        (Column("cell", "Cell"), lambda c: str(c.name)),
        (Column("commit", "Commit"), _commit),
        (Column("data", "Data digest"), lambda c: c.best.data_digest[:12]),
        (Column("weights", "Weights"), _weights),
        (Column("code", "Code digest"), lambda c: c.best.code_digest[:12]),
        (Column("first", "First trial done"), lambda c: _date(c.runs, first=True)),
        (Column("last", "Last trial done"), lambda c: _date(c.runs)),
        (Column("evaluated", "Final done"), lambda c: _date(c.final_runs)),
    ]
    caption = (
        "Where each figure comes from. Digests are the first 12 characters of a sha256, the commit "
        "is that of the evaluation, times are UTC."
    )
    return tabulated("provenance", caption, figures, cells)


def _parameters(cells: Sequence[Cell]) -> Table:
    """Make a row per parameter and value, with the cells that have it."""
    having: dict[tuple[str, str], list[CellName]] = {}
    for cell in cells:
        for name, value in _settings(cell):
            having.setdefault((name, value), []).append(cell.name)
    names = [cell.name for cell in cells]
    rows: list[list[Value]] = [
        [name, value, _which(those, names)]
        for (name, value), those in sorted(
            having.items(), key=lambda each: _GROUPS.index(each[0][0].partition(": ")[0])
        )
    ]
    columns = [Column("name", "Parameter"), Column("value", "Value"), Column("cells", "Cells")]
    caption = "The settings of the trials, and the machines and versions they ran on."
    return Table("parameters", caption, columns, rows)


def _which(having: Sequence[CellName], names: Sequence[CellName]) -> str:
    """Name these cells in as few words as possible."""
    if len(having) == len(names):
        return "all"
    for part in ("strategy", "dataset", "model"):
        shared = list(dict.fromkeys(getattr(name, part) for name in having))
        if len(having) == sum(getattr(name, part) in shared for name in names):
            return ", ".join(shared)
    return ", ".join(map(str, having))


def _settings(cell: Cell) -> Iterator[tuple[str, str]]:
    best, final = cell.best, cell.final
    yield "protocol", best.protocol
    yield from _named("recipe", best.recipe)
    yield from _named("space", best.space or {})
    yield from _named("search", best.search or {})
    if best.first is not None:
        yield "first trial", describe(best.first)
    if best.space is None:
        yield "point", describe(best.point)
    yield "seed", str(best.seed)
    if final is not None and final.protocol == "heldout":
        yield "seeds of the refits", _plain(final.seeds)
    runs = [*cell.runs, *cell.final_runs]
    machines = sorted({_machine(run) for run in runs if run.host})
    yield "machine", "; ".join(machines)
    yield "precision", str(best.machine.precision)
    yield from _named("version", best.versions)
    if final is not None:
        new = final.provenance.versions.items() - best.versions.items()
        yield from _named("version at the evaluation", dict(sorted(new)))


def _named(group: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if value is not None:
            yield f"{group}: {name}", _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value)


def _machine(run: Journalled) -> str:
    threads = f", {count(run.threads, 'thread')} a trial" if run.threads else ""
    return f"{run.host}: {run.hardware or run.device}{threads}"


def _date(runs: Sequence[Journalled], *, first: bool = False) -> str | None:
    finished = sorted(run.finished for run in runs if run.finished)
    return finished[0 if first else -1].strftime("%Y-%m-%d %H:%M") if finished else None


def _commit(cell: Cell) -> str | None:
    if cell.final is None or cell.final.provenance.commit is None:
        return None
    changed = " with local changes" if cell.final.provenance.dirty else ""
    return cell.final.provenance.commit[:12] + changed


def _weights(cell: Cell) -> str | None:
    if cell.final is None:
        return (cell.best.weights_digest or "")[:12] or None
    weights = cell.final.weights
    known = weights.sha256 and weights.sha256 != weights.source
    digest = f" ({weights.sha256[:12]})" if weights.sha256 and known else ""
    return f"{weights.source}{digest}"
