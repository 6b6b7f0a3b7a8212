"""Check rules between parts of a configuration: lists of names, and where a search begins."""

from collections.abc import Callable
from typing import get_args

from pipeline.base.errors import UserError
from pipeline.base.text import among
from pipeline.settings.faults import Origin
from pipeline.settings.guard import names_in
from pipeline.settings.point import HYPERPARAMETERS
from pipeline.settings.schema import Config, StrategyConfig

Rule = Callable[[Config, Origin], None]
"""Raises UserError, which names the override or file, when a configuration breaks it."""
_SEARCHES = ("bayes", "random")
"""Strategies whose first trial is the fixed scheme."""


def require_known_names(cfg: Config, origin: Origin) -> None:
    """Raise UserError when a name in ``datasets``, ``models`` or ``strategies`` has no file."""
    allowed = {
        "datasets": sorted({*_names("dataset", origin), *cfg.folders} - {"folder"}),
        "models": _names("model", origin),
        "strategies": list(get_args(StrategyConfig.model_fields["name"].annotation)),
    }
    for key, names in allowed.items():
        for name in getattr(cfg, key):
            if name not in names:
                source = origin.source_of(key)
                raise UserError(f"{source}: '{key}': found {name!r}.{among(name, names)}")


def require_chosen_names(cfg: Config, origin: Origin) -> None:
    """Raise UserError when a part is not called like its file, because its results would be lost.

    They are kept under the name of the part, and looked for under those in params.yaml.
    """
    for group in ("dataset", "model", "protocol", "strategy"):
        name, chosen = getattr(cfg, group).name, origin.choices.get(group)
        own = group == "dataset" and cfg.dataset.reader == "folder"
        if chosen is not None and name != chosen and not own:
            raise UserError(
                f"{origin.source_of(group, 'name')}: '{group}.name': found {name!r}; allowed: "
                f"{chosen}, the name of its file. To choose another file, set {group}=NAME"
            )


def _names(group: str, origin: Origin) -> list[str]:
    beside = (path.stem for path in (origin.config_dir / group).glob("*.yaml"))
    return sorted({*names_in(group), *beside})


def require_exportable(cfg: Config, origin: Origin) -> None:
    """Raise UserError when an ONNX graph is asked for a resize that it cannot compute."""
    if cfg.evaluate.onnx_with_preprocessing and cfg.recipe.resize == "opencv":
        source = origin.source_of("evaluate", "onnx_with_preprocessing")
        raise UserError(
            f"{source}: 'evaluate.onnx_with_preprocessing': found true; allowed with "
            "recipe.resize=opencv: false, because ONNX resizes like Pillow"
        )


def require_first_point(cfg: Config, origin: Origin) -> None:
    """Raise UserError when the space lacks the fixed scheme, where a search begins.

    The searches among ``strategies`` count too, so that every stage says it; an override of a value
    or of the space is only held against the chosen strategy.
    """
    names = (override.partition("=")[0] for override in origin.overrides)
    keys = {name.lstrip("+~").partition(".")[0] for name in names}
    changed = keys & {"space", "strategies", *HYPERPARAMETERS}
    strategies = [cfg.strategy.name, *([] if changed else cfg.strategies)]
    search = next((name for name in strategies if name in _SEARCHES), None)
    for name, values in cfg.space.axes().items() if search else ():
        value = getattr(cfg, name)
        if value not in values:
            raise UserError(
                f"{origin.params}: 'space.{name}': found {values}; allowed for {search}: a list "
                f"with {value}, the value of '{name}', where the search begins"
            )


RULES: tuple[Rule, ...] = (
    require_known_names,
    require_chosen_names,
    require_exportable,
    require_first_point,
)
"""The rules that every configuration is checked against."""
