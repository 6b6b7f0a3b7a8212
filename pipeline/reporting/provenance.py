"""The last section: what the figures were made from, by what, where and when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.reporting.document import Section, Text
from pipeline.reporting.results import Cell
from pipeline.reporting.tables import Column, Table, Value


def provenance(cells: Sequence[Cell]) -> Section:
    """A row per cell. Dates are the trials' own, so the same results give the same report."""
    columns = [
        Column("cell", "Cell"),
        Column("protocol", "Protocol"),
        Column("commit", "Commit"),
        Column("data", "Data digest"),
        Column("weights", "Weights"),
        Column("recipe", "Recipe"),
        Column("machine", "Machine"),
        Column("versions", "Versions"),
        Column("code", "Code digest"),
        Column("first", "First trial done"),
        Column("last", "Last trial done"),
    ]
    rows = [_row(cell) for cell in cells]
    notes = [
        Text(f"{cell.name}: the image counts differ from the official ones and were accepted.")
        for cell in cells
        if cell.final and cell.final.accepted_counts
    ]
    notes += [
        Text(f"{cell.name}: {cell.final.unreadable:,} images cannot be read and were left out.")
        for cell in cells
        if cell.final and cell.final.unreadable
    ]
    caption = (
        "Where each figure comes from. Digests are the first 12 characters of a sha256. "
        "Times are UTC."
    )
    return Section(
        "Provenance", "provenance", [*notes, Table("provenance", caption, columns, rows)]
    )


def _row(cell: Cell) -> list[Value]:
    best, final = cell.best, cell.final
    finished = sorted(run.finished for run in cell.runs if run.finished)
    machines = sorted({f"{run.device} on {run.host}, {run.threads} threads" for run in cell.runs})
    return [
        str(cell.name),
        best.protocol,
        _commit(cell),
        best.data_digest[:12],
        _weights(cell),
        _plain(best.recipe),
        f"{'; '.join(machines)}; {best.machine.get('precision', '')}".rstrip("; "),
        _plain(final.provenance.versions if final else best.versions),
        best.code_digest[:12],
        finished[0].strftime("%Y-%m-%d %H:%M") if finished else None,
        finished[-1].strftime("%Y-%m-%d %H:%M") if finished else None,
    ]


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


def _plain(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
        if value is not None
    )
