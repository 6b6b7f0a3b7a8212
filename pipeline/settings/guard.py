"""Refuse a Hydra configuration that names code to run other than launchers and sweepers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.base.errors import UserError

_PLUGIN = r"(hydra\._internal\.core_plugins|hydra_plugins\.hydra_\w+)\.\w+\.\w+(Launcher|Sweeper)"
_RUNNABLE = {
    "_target_": _PLUGIN,
    "class": r"logging\.(StreamHandler|FileHandler|NullHandler|Formatter)",
    "()": r"(?!)",
}
"""The keys by which Hydra and logging find code, and the values we allow. A plugin's class must be
the third part of its dotted name: a longer path could reach what the plugin's modules import."""
_STREAMS = r"ext://sys\.std(out|err)"


def require_harmless(hydra: DictConfig, source: Path) -> None:
    """Raise UserError when ``hydra`` names code to run, directly or behind an interpolation.

    Hydra's launchers and sweepers and the plain log handlers are allowed. ``source`` is the file
    that the error names.
    """
    found = [f"{source}: {fault}" for fault in _faults(hydra, "hydra")]
    if found:
        raise UserError("\n".join(found))


def _faults(node: Any, place: str) -> Iterator[str]:
    if isinstance(node, DictConfig):
        for key in node:
            name = str(key)
            yield from _faults_at(node, name, f"{place}.{name}", _RUNNABLE.get(name))
    elif isinstance(node, ListConfig):
        for index in range(len(node)):
            yield from _faults_at(node, index, f"{place}.{index}", None)
    elif isinstance(node, str) and node.startswith("ext://") and not re.fullmatch(_STREAMS, node):
        yield f"{place}: found {node!r}, which imports code"


def _faults_at(node: Any, key: Any, place: str, allowed: str | None) -> Iterator[str]:
    if allowed is not None:
        value = node._get_node(key)._value()
        if not re.fullmatch(allowed, str(value)):
            yield f"{place}: found {value!r}, which is code to run"
        return
    try:
        value = None if OmegaConf.is_missing(node, key) else node[key]
    except OmegaConfBaseException:
        return  # resolved inside a job, when launcher and sweeper already exist
    yield from _faults(value, place)
