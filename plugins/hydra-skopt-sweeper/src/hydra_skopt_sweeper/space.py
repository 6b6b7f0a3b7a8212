"""Turn Hydra's overrides into a search space, and points of the space back into overrides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString, Sweep
from hydra.errors import OverrideParseException

from .dimensions import Coordinate, Dimension, Levels, Point, Span
from .errors import SweepError

TAGS = ("log", "ordered", "nominal")

UNEVEN = 10.0
"""Numbers are placed by rank if their widest gap is more than this many times their narrowest."""


@dataclass(frozen=True)
class Parameter:
    """One swept override.

    `key` is its left side with prefix and package, and `name` is the same without the prefix. For a
    finite sweep, `strings` has the text of each element, as an override needs it, and `values` has
    the parsed elements. Two sweeps that are searched in the same way have the same `meaning`,
    however they are written.
    """

    key: str
    name: str
    sweep: str
    dimension: Dimension
    meaning: dict[str, Any]
    strings: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()

    def text(self, coordinate: Coordinate) -> str:
        """Return the right side of the override."""
        return self.strings[int(coordinate)] if self.strings else repr(coordinate)

    def coordinate(self, value: Any) -> Coordinate:
        """Return the coordinate of `value`, which may be given as text.

        Raises:
            SweepError: the sweep does not contain the value.
        """
        if isinstance(value, str) and value in self.strings:
            return self.strings.index(value)
        parsed = parse_value(value) if isinstance(value, str) else value
        for index, element in enumerate(self.values):
            if _same(element, parsed):
                return index
        if isinstance(self.dimension, Span) and parsed in self.dimension:
            return parsed if self.dimension.size is not None else float(parsed)
        raise SweepError(f"{self.name}={value} is not in the space: {self.name} is {self.sweep}")


@dataclass(frozen=True)
class Space:
    """The swept parameters, and the overrides that every job gets.

    `fixed_values` maps the target of each fixed override to its value. The target of a deletion
    begins with a tilde.
    """

    parameters: tuple[Parameter, ...]
    fixed: tuple[str, ...]
    fixed_values: Mapping[str, Any]

    @property
    def dimensions(self) -> list[Dimension]:
        return [parameter.dimension for parameter in self.parameters]

    def in_order(self, names: Sequence[str]) -> Space:
        """Return the same space with its parameters in the order of `names`."""
        return replace(
            self, parameters=tuple(sorted(self.parameters, key=lambda p: names.index(p.name)))
        )

    def texts(self, point: Point) -> dict[str, str]:
        """Return the name of each parameter and the text of its value at the point."""
        return {p.name: p.text(c) for p, c in zip(self.parameters, point, strict=True)}

    def overrides(self, point: Point) -> list[str]:
        """Return the overrides of the job that tries the point."""
        swept = [f"{p.key}={p.text(c)}" for p, c in zip(self.parameters, point, strict=True)]
        return [*self.fixed, *swept]

    def point(self, values: Mapping[str, Any]) -> Point:
        """Return the point with these values; values of fixed overrides are ignored.

        Raises:
            SweepError: a parameter is missing or unknown, or a value is not in the space.
        """
        named = {name.lstrip("+"): value for name, value in values.items()}
        names = [parameter.name for parameter in self.parameters]
        fixed = {name.lstrip("~") for name in self.fixed_values}
        if unknown := sorted(named.keys() - set(names) - fixed):
            raise SweepError(f"{unknown[0]} is not a parameter of the space: {', '.join(names)}")
        if missing := [name for name in names if name not in named]:
            raise SweepError(f"the point {dict(values)} has no value for {missing[0]}")
        return tuple(p.coordinate(named[p.name]) for p in self.parameters)


def build_space(
    params: Mapping[str, str], arguments: Sequence[str], config_loader: ConfigLoader | None
) -> Space:
    """Build the space of `params`; each of `arguments` replaces an override of the same target.

    Raises:
        SweepError: a sweep cannot be searched.
        OverrideParseException: Hydra's parser refuses an override.
    """
    parser = OverridesParser.create(config_loader=config_loader)
    try:
        own = parser.parse_overrides([f"{key}={sweep}" for key, sweep in params.items()])
    except OverrideParseException as error:
        if "NoneType" not in error.message:
            raise
        raise SweepError(
            f"{error.override}: functions of Hydra's grammar take no null; "
            "write the plain list, such as x=null,1"
        ) from None
    given = parser.parse_overrides(list(arguments))
    replaced = {_name(override) for override in given}
    chosen: dict[tuple[str, bool], Override] = {}
    for override in [*(o for o in own if _name(o) not in replaced), *given]:
        chosen[_name(override), override.is_delete()] = override
    swept = [override for override in chosen.values() if override.is_sweep_override()]
    fixed = [override for override in chosen.values() if not override.is_sweep_override()]
    return Space(
        parameters=tuple(map(_parameter, swept)),
        fixed=tuple(str(override.input_line) for override in fixed),
        fixed_values={
            f"~{_name(override)}" if override.is_delete() else _name(override): plain(
                override.value()
            )
            for override in fixed
        },
    )


def _name(override: Override) -> str:
    package = f"@{override.package}" if override.package is not None else ""
    return f"{override.key_or_group}{package}"


def _parameter(override: Override) -> Parameter:
    key, name, sweep = override.get_key_element(), _name(override), override.get_value_string()
    parsed = override.value()
    tags = parsed.tags if isinstance(parsed, Sweep) else set()
    if unknown := sorted(tags - set(TAGS)):
        raise SweepError(f"{key}={sweep} has the tag {unknown[0]!r}; known are {', '.join(TAGS)}")
    if "nominal" in tags and len(tags) > 1:
        raise SweepError(f"{key}={sweep} is tagged nominal and {', '.join(tags - {'nominal'})}")
    try:
        if isinstance(parsed, IntervalSweep):
            span = _span(parsed, tags)
            ends = {"from": parsed.start, "to": parsed.end, "log": "log" in tags}
            return Parameter(key, name, sweep, span, ends)
        if isinstance(parsed, Sweep) and hasattr(parsed, "shuffle"):
            parsed.shuffle = False  # a resumed search needs the same order
        strings = tuple(override.sweep_string_iterator())
        values = tuple(
            v.text if isinstance(v, QuotedString) else v for v in override.sweep_iterator()
        )
        if not strings:
            raise ValueError("has no values")
        if any(_same(a, b) for a, b in itertools.combinations(values, 2)):
            raise ValueError("repeats a value")
        levels = _levels(values, tags)
        meaning = {"values": plain(list(values)), "places": levels.features.tolist()}
        return Parameter(key, name, sweep, levels, meaning, strings, values)
    except ValueError as error:
        raise SweepError(f"{key}={sweep} {error}") from None


def _span(interval: IntervalSweep, tags: set[str]) -> Span:
    low, high = interval.start, interval.end
    if "nominal" in tags:
        raise ValueError("is an interval, which cannot be nominal")
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("needs two finite ends")
    if low >= high:
        raise ValueError("needs its lower end first")
    if "log" in tags and low <= 0:
        raise ValueError("is logarithmic and not above zero")
    if isinstance(low, int) and isinstance(high, int):
        return Span.integer(low, high, log="log" in tags)
    return Span.real(float(low), float(high), log="log" in tags)


def _levels(values: Sequence[Any], tags: set[str]) -> Levels:
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if "nominal" in tags:
        return Levels.nominal(len(values))
    if "log" in tags:
        if not numeric or min(values) <= 0:
            raise ValueError("is logarithmic and not above zero")
        return Levels.ordered([math.log(v) for v in values])
    if numeric and list(values) in (sorted(values), sorted(values, reverse=True)):
        return Levels.ordered(_positions(values))
    if "ordered" in tags:
        return Levels.evenly(len(values))
    return Levels.nominal(len(values))


def _positions(values: Sequence[float]) -> Sequence[float]:
    """Return the numbers or their logarithms, whichever are more evenly spaced.

    If neither is even, as in a logarithmic list that starts at zero, return their ranks.
    """
    scales = [list(values)]
    if min(values) > 0:
        scales.append([math.log(v) for v in values])
    best = min(scales, key=_unevenness)
    return best if _unevenness(best) <= UNEVEN else range(len(values))


def _unevenness(line: Sequence[float]) -> float:
    gaps = [abs(b - a) for a, b in itertools.pairwise(line)]
    if not gaps:
        return 1.0
    return max(gaps) / min(gaps) if min(gaps) > 0 else math.inf  # rounding made two equal


def _same(a: Any, b: Any) -> bool:
    """Compare two values; true does not equal 1."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def plain(value: Any) -> Any:
    """Convert a value of the parser to plain Python, which YAML can hold."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    return value


def parse_value(text: str) -> Any:
    """Parse the right side of an override; return `text` itself if it is not a single value."""
    try:
        [override] = OverridesParser.create().parse_overrides([f"value={text}"])
    except OverrideParseException:
        return text
    return text if override.is_sweep_override() else override.value()
