"""Take from outside only the plain values and the few settings of Hydra that people need.

Hydra's own part of the configuration is written in ``conf/``. It could name files to write, classes
to make, variables to set and folders to search, so params.yaml, groups beside it and overrides
reach no key of it but those of :data:`LAUNCHER_KEYS` and the choice of a launcher.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from pipeline.base.errors import UserError
from pipeline.base.text import among, gist, printable
from pipeline.settings.folders import CONF
from pipeline.settings.plain_yaml import interpolated, read_mapping
from pipeline.settings.point import HYPERPARAMETERS
from pipeline.settings.values import written

LAUNCHER_GROUP = "hydra/launcher"
LAUNCHER_KEYS = (
    *("account", "array_parallelism", "constraint", "cpus_per_task", "gpus_per_node", "mem_gb"),
    *("n_jobs", "nodes", "partition", "qos", "timeout_min"),
)
"""Keys of a launcher that people may set: counts, and names that the cluster defines."""
_WORD = re.compile(r"[\w.,:&|*@+-]{1,100}")
"""A name that a cluster defines. A line break would start another line of the batch script."""
_ALLOWED = (
    f"{LAUNCHER_GROUP}=NAME and hydra.launcher.KEY with KEY one of {', '.join(LAUNCHER_KEYS)}"
)
_CONF_ALONE = ("hydra", "paths", "strategy")
Choice = tuple[str, str]
"""A group and the name chosen in it."""
_PACKAGE = re.compile(r"^\s*#\s*@package\b.*$", re.MULTILINE)


def groups() -> list[str]:
    """Return the names of the groups of ``conf/``, Hydra's own left out."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")


def read_params(params: Path) -> dict[str, Any]:
    """Read params.yaml. Raises UserError when it sets what only ``conf/`` may, or is malformed."""
    values = read_mapping(params)
    _require_no_package(params)
    _raise(params, _hydra_faults(values.get("hydra", {}), "hydra"))
    return values


def require_plain_groups(config_dir: Path, choices: Sequence[Choice]) -> None:
    """Raise UserError when a chosen group's file beside params.yaml holds more than plain values.

    Such a file takes precedence over the file of ``conf/`` with the same name. Hydra's own groups,
    and groups that set what belongs to Hydra, are only in ``conf/``.
    """
    if config_dir.resolve() == CONF.resolve():
        return
    chosen = [config_dir / group / f"{name}.yaml" for group, name in choices]
    for path in [*sorted((config_dir / "hydra").rglob("*.yaml")), *sorted({*chosen})]:
        if not path.is_file():
            continue
        group = path.relative_to(config_dir).parts[0]
        values = read_mapping(path)
        inner = values if group == "hydra" else values.get("hydra", {})
        _raise(path, _hydra_faults(inner, "hydra", strict=True))
        _require_no_package(path)
        if "defaults" in values or group in _CONF_ALONE:
            allowed = ", ".join(each for each in groups() if each not in _CONF_ALONE)
            kind = "'defaults'" if "defaults" in values else f"a file of '{group}'"
            raise UserError(
                f"{path}: found {kind} beside params.yaml; allowed: plain values of a group of "
                f"{allowed}"
            )


def require_plain_overrides(overrides: Sequence[str]) -> list[Choice]:
    """Return the (group, name) choices in ``overrides``.

    Raises UserError at the first one that sets what only ``conf/`` may set, that gives several
    values to a key with one value, or that gives a group something other than a name.
    """
    choices: list[Choice] = []
    parser = OverridesParser.create()
    for text in overrides:
        try:
            override = parser.parse_override(text)
            value = None if override.is_sweep_override() else override.value()
        except (HydraException, ValueError) as error:
            reason = gist(str(error).partition(" expecting")[0])
            raise UserError(
                f"override {text}: found no KEY=VALUE, as in recipe.epochs=20; quote a value with "
                "special characters twice, as the shell removes the outer quotes: "
                f"\"dataset.title='a=b'\" ({reason})"
            ) from error
        if not override.key_or_group:
            raise UserError(f"override {text}: found no key; allowed: KEY=VALUE")
        fault = _override_fault(override, value)
        if fault:
            raise UserError(f"override {text}: {fault}")
        if override.key_or_group in (*groups(), LAUNCHER_GROUP):
            choices.append((override.key_or_group, str(value)))
    return choices


def _override_fault(override: Override, value: Any) -> str | None:
    key = override.key_or_group
    if override.is_sweep_override():
        return (
            f"'{key}': found several values; allowed: one value. A search tries the values of "
            f"space, such as space.{key if key in HYPERPARAMETERS else 'lr'} in params.yaml"
        )
    computed = next(interpolated([key, override.package or "", value]), None)
    if computed:
        return (
            f"'{key}': found {computed!r}; allowed: plain values. Interpolations, such as oc.env, "
            "which reads the environment, stand in conf/ alone"
        )
    if override.package is not None:
        return f"'{key}': found the package '{override.package}'; allowed: KEY=VALUE without @"
    if key == LAUNCHER_GROUP:
        plain = isinstance(value, str) and re.fullmatch(r"\w{1,100}", value)
        return None if plain else f"'{key}': found {value!r}; allowed: the name of a launcher"
    if key == "hydra" or key.startswith(("hydra.", "hydra/")):
        nested: Any = value
        for part in reversed(re.split(r"[./]", key)[1:]):
            nested = {part: nested}
        return next(_hydra_faults(nested, "hydra", deleted=override.is_delete()), None)
    if key in groups() and not override.is_delete():
        return _group_fault(key, value)
    return None


def _group_fault(group: str, value: Any) -> str | None:
    plain = isinstance(value, str) and re.fullmatch(r"[^/\\\x00-\x1f]+", value)
    if plain and value not in ("..", "???"):  # OmegaConf takes ??? for a value that is missing
        return None
    return f"no {group} {written(value)}.{among(str(value), names_in(group))}"


def names_in(group: str) -> list[str]:
    """Return the names of the files of a group of ``conf/``."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _hydra_faults(
    node: Any, place: str, *, deleted: bool = False, strict: bool = False
) -> Iterator[str]:
    """Yield a sentence for each key at or below ``place`` that only ``conf/`` may set."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _hydra_faults(value, f"{place}.{key}", deleted=deleted, strict=strict)
        return
    if node == {} and place == "hydra" and not deleted:
        return
    allowed = [f"hydra.launcher.{key}" for key in LAUNCHER_KEYS]
    if strict or deleted or place not in allowed:
        yield f"'{printable(place)}': found {node!r}; allowed of hydra: {_ALLOWED}"
    elif not (node is None or isinstance(node, int | float) or _is_word(node)):
        yield f"'{place}': found {node!r}; allowed: a number or a name"


def _is_word(node: Any) -> bool:
    return isinstance(node, str) and bool(_WORD.fullmatch(node))


def _require_no_package(path: Path) -> None:
    header = _PACKAGE.search(path.read_text(encoding="utf-8"))
    if header:
        raise UserError(
            f"{path}: found {header[0].strip()!r}, which places values elsewhere; allowed: the "
            "values of params.yaml, or of a group beside it, where they are"
        )


def _raise(path: Path, faults: Iterator[str]) -> None:
    if lines := [f"{path}: {fault}" for fault in faults]:
        raise UserError("\n".join(lines[:10]))
