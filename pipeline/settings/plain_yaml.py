"""Read YAML that holds plain values, which all its readers read alike."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import get_yaml_loader
from ruamel.yaml import YAML

from pipeline.base.errors import UserError
from pipeline.base.text import printable

INTERPOLATION = re.compile(r"(?<!\\)(?:\\\\)*\$\{")
"""Where OmegaConf would compute a value; a backslash before it makes it text."""
_HYDRA = get_yaml_loader()
_DVC = YAML(typ="safe")


def read_mapping(path: Path) -> dict[str, Any]:
    """Read the mapping in ``path``, whose values are plain.

    Raises UserError, with the file and the key, when it is empty, not UTF-8, not a YAML mapping,
    holds an interpolation, or a number that Hydra and DVC read differently.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: found text that is not UTF-8 (byte {error.start}). Save the file as UTF-8"
        ) from error
    try:
        values = yaml.safe_load(text)
        faults = list(islice(_faults(yaml.compose(text, Loader=yaml.SafeLoader), "", _Room()), 10))
    except yaml.YAMLError as error:
        reason = printable(" ".join(str(error).split()))
        raise UserError(f"{path}: found no valid YAML: {reason}") from error
    except (RecursionError, ValueError) as error:  # a value nested too deep; no such date
        raise UserError(f"{path}: found no valid YAML: {printable(error)}") from error
    if values is None:
        raise UserError(f"{path}: the file is empty; allowed: a mapping of keys to values")
    if not isinstance(values, dict):
        raise UserError(f"{path}: found a {type(values).__name__}; allowed: a mapping")
    strange = [key for key in values if not isinstance(key, str)]
    if strange:
        raise UserError(f"{path}: found the key {strange[0]!r}; allowed: keys that are text")
    if faults:
        raise UserError("\n".join(f"{path}: {fault}" for fault in faults))
    return values


def interpolated(value: Any) -> Iterator[str]:
    """Yield each text in ``value``, keys included, that OmegaConf would compute."""
    if isinstance(value, str):
        if INTERPOLATION.search(value):
            yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from interpolated(key)
            yield from interpolated(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from interpolated(each)


def ambiguous(text: str) -> str | None:
    """Say how the readers of Hydra and DVC differ in the number ``text``; None where they agree."""
    hydra, dvc = _readings(text)
    if repr(hydra) == repr(dvc) or not (_is_number(hydra) or _is_number(dvc)):
        return None
    return f"Hydra reads {hydra!r}, DVC {dvc!r}"


def misread(text: str) -> float | None:
    """Return the number that Hydra or DVC reads where PyYAML writes ``text`` without quotes.

    None where every reader takes it for text.
    """
    if not isinstance(yaml.safe_load(text), str):
        return None  # PyYAML sees the number, and writes quotes
    return next(filter(_is_number, _readings(text)), None)


@cache
def _readings(text: str) -> tuple[Any, Any]:
    """Read a plain value as Hydra does, and as DVC does."""
    return yaml.load(text, Loader=_HYDRA), _DVC.load(text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


class _Room:
    """Counts values: aliases of aliases write out to more than any memory holds."""

    def __init__(self) -> None:
        self.left = 100_000

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError("its aliases write out to more than 100,000 values")


def _faults(node: yaml.Node | None, place: str, room: _Room) -> Iterator[str]:
    room.take()
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(getattr(key, "value", "?"))
            yield from _faults(key, f"{place}{name}", room)
            yield from _faults(value, f"{place}{name}.", room)
    elif isinstance(node, yaml.SequenceNode):
        for index, each in enumerate(node.value):
            yield from _faults(each, f"{place}{index}.", room)
    elif isinstance(node, yaml.ScalarNode):
        key = printable(place.rstrip("."))
        if INTERPOLATION.search(node.value):
            yield (
                f"'{key}': found {node.value!r}; allowed: plain values. Interpolations, such as "
                "oc.env, which reads the environment, stand in conf/ alone"
            )
        elif node.style is None and node.value[:1] in "+-.0123456789" and node.value:
            difference = ambiguous(node.value) if len(node.value) < 100 else None
            if difference:
                yield (
                    f"'{key}': found {node.value}, which has two meanings: {difference}; allowed: "
                    "a decimal number, or text in quotes"
                )
