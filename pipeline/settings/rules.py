"""Check rules between parts of a configuration: lists of names, and where a search begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pipeline.base.errors import UserError
from pipeline.base.text import did_you_mean
from pipeline.settings.faults import source_of
from pipeline.settings.guard import names_in
from pipeline.settings.point import HYPERPARAMETERS
from pipeline.settings.schema import Config, StrategyConfig

_SEARCHES = ("bayes", "random")
"""Strategies whose first trial is the fixed scheme."""


def require_known_names(cfg: Config, config_dir: Path, overrides: Sequence[str]) -> None:
    """Raise UserError when a name in ``datasets``, ``models`` or ``strategies`` has no file."""
    strategies = list(get_args(StrategyConfig.model_fields["name"].annotation))
    datasets = sorted({*_names("dataset", config_dir), *cfg.folders} - {"folder"})
    for key, names, allowed in (
        ("datasets", cfg.datasets, datasets),
        ("models", cfg.models, _names("model", config_dir)),
        ("strategies", cfg.strategies, strategies),
    ):
        for name in names:
            if name not in allowed:
                source = source_of((key,), config_dir, overrides, {})
                hint = did_you_mean(name, allowed)
                raise UserError(
                    f"{source}: '{key}': found {name!r}.{hint} Allowed: {', '.join(allowed)}"
                )


def _names(group: str, config_dir: Path) -> list[str]:
    beside = (path.stem for path in (config_dir / group).glob("*.yaml"))
    return sorted({*names_in(group), *beside})


def require_exportable(cfg: Config, config_dir: Path, overrides: Sequence[str]) -> None:
    """Raise UserError when an ONNX graph is asked for a resize that it cannot compute."""
    if cfg.evaluate.onnx_with_preprocessing and cfg.recipe.resize == "opencv":
        key = ("evaluate", "onnx_with_preprocessing")
        raise UserError(
            f"{source_of(key, config_dir, overrides, {})}: 'evaluate.onnx_with_preprocessing': "
            "found true; allowed with recipe.resize=opencv: false, because ONNX resizes like Pillow"
        )


def require_first_point(cfg: Config, params: Path, overrides: Sequence[str]) -> None:
    """Raise UserError when the space lacks the fixed scheme, where a search begins.

    The searches among ``strategies`` count too, so that every stage says it; an override of a value
    or of the space is only held against the chosen strategy.
    """
    keys = {override.partition("=")[0].lstrip("+~").partition(".")[0] for override in overrides}
    changed = keys & {"space", "strategies", *HYPERPARAMETERS}
    strategies = [cfg.strategy.name, *([] if changed else cfg.strategies)]
    search = next((name for name in strategies if name in _SEARCHES), None)
    for name, values in cfg.space.axes().items() if search else ():
        value = getattr(cfg, name)
        if value not in values:
            raise UserError(
                f"{params}: 'space.{name}': found {values}; allowed for {search}: a list with "
                f"{value}, the value of '{name}', where the search begins"
            )
