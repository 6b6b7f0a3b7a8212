"""Decide whether two sweeps are the same search, and which trials a resumed sweep keeps."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf

from .dimensions import Point
from .errors import SweepError
from .records import RESULTS, TABLE, Trial, read_results, read_table
from .rules import failures_in_a_row
from .space import Space, parse_value, plain

DECISIVE = (
    "direction",
    "seed",
    "batch_size",
    "repeats",
    "repeat_key",
    "n_initial",
    "line",
    "surrogate",
    "acquisition",
    "on_failure",
    "collapse_at",
)
"""The options that decide what is proposed. Others, such as when to stop, may change."""

_ABSENT = object()


def search_of(options: SkoptSweeperConf, space: Space, initial: Sequence[Point]) -> dict[str, Any]:
    """Return what decides proposals and objective, without spelling and order of overrides."""
    texts = [space.texts(point) for point in initial]
    return {
        "space": {parameter.name: parameter.meaning for parameter in space.parameters},
        "overrides": dict(space.fixed_values),
        "initial_points": [{k: plain(parse_value(v)) for k, v in each.items()} for each in texts],
        **{name: getattr(options, name) for name in DECISIVE},
    }


def recorded_order(folder: Path, space: Space) -> Space:
    """Return the space with its parameters in the order of the table, if they are the same.

    The order decides the first points and the columns of the table, but not what is searched.
    """
    if not (folder / TABLE).exists():
        return space
    recorded = read_results(folder).get("search") or {}
    names = list(recorded.get("space") or {})
    if set(names) != {parameter.name for parameter in space.parameters}:
        return space
    return space.in_order(names)


def recorded_trials(
    folder: Path, search: Mapping[str, Any], space: Space, ignoring: Sequence[str]
) -> list[Trial]:
    """Return the trials to keep; the failures at the end of the table are tried again.

    Args:
        ignoring: names of fixed overrides that may have changed.

    Raises:
        SweepError: the table in the folder belongs to another search.
    """
    if not (folder / TABLE).exists():
        return []
    recorded = read_results(folder).get("search") or {}
    for name, before, now in _changes(recorded, search):
        field, _, override = name.partition(".")
        if field == "overrides" and override in ignoring:
            continue
        way_out = (
            f", or continue with hydra.sweeper.resume_ignoring=[{override}] if the difference does "
            "not change the objective"
            if field == "overrides"
            else ""
        )
        raise SweepError(
            f"cannot resume the sweep in {folder}: {name} was {before} and is {now}. Set it back, "
            f"or start a new sweep in another hydra.sweep.dir{way_out}"
        )
    trials = read_table(folder, [parameter.name for parameter in space.parameters])
    return trials[: len(trials) - failures_in_a_row(trials)]


def require_no_record(folder: Path) -> None:
    """Refuse a directory that holds the trials of another sweep.

    Raises:
        SweepError: there is such a record; the message names both ways out.
    """
    table, results = folder / TABLE, folder / RESULTS
    if table.exists():
        kept = table
    elif results.exists() and read_results(folder).get("n_trials") != 0:
        kept = results
    else:
        return
    raise SweepError(
        f"{kept} holds the record of another sweep, which a new one would replace. Continue it "
        "(hydra.sweeper.resume=true), or sweep in another directory (hydra.sweep.dir=...)"
    )


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, former value and present value of each difference, one level into mappings."""
    for name in [*now, *(key for key in before if key not in now)]:
        old, new = before.get(name, _ABSENT), now.get(name, _ABSENT)
        if _same(old, new):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            for key in [*new, *(key for key in old if key not in new)]:
                if not _same(old.get(key, _ABSENT), new.get(key, _ABSENT)):
                    yield f"{name}.{key}", _shown(old, key), _shown(new, key)
        else:
            yield name, _shown(before, name), _shown(now, name)


def _same(a: object, b: object) -> bool:
    """Compare two values; true differs from 1, NaN equals NaN, and the order of keys is ignored."""
    if a is _ABSENT or b is _ABSENT:
        return a is b
    return bool(yaml.safe_dump(a) == yaml.safe_dump(b))


def _shown(values: Mapping[str, Any], key: str) -> str:
    return repr(values[key]) if key in values else "not set"
