"""Compose ``params.yaml``, ``conf/`` and overrides with Hydra, and check the result."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hydra_skopt_sweeper.errors import SweepError
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from pipeline.base.errors import UserError
from pipeline.base.text import did_you_mean
from pipeline.settings.defaults import require_plain_defaults
from pipeline.settings.folders import CONF
from pipeline.settings.guard import require_harmless
from pipeline.settings.machine import LAUNCHER, count, processes, require_counts
from pipeline.settings.schema import Config

CONFIG_NAME = "params"


def quote(value: str | Path) -> str:
    """Quote a string for Hydra's override grammar, so that no character in it is special.

    Backslashes count only before ``${`` (an interpolation), before a quote and at the end.
    """
    text = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", str(value))
    text = re.sub(r"(\\+)$", lambda found: found[1] * 2, text)
    return "'" + re.sub(r"(\\*)'", lambda found: found[1] * 2 + "\\'", text) + "'"


def hydra_overrides(config_dir: Path, overrides: Sequence[str]) -> list[str]:
    """Return ``overrides`` in the form that Hydra needs.

    The search path of our groups is added, and a name from ``folders`` is replaced by the keys it
    stands for. Keys of the schema get ``++``, because Hydra would refuse those that no file sets.
    """
    known = {path for path in _paths(Config) if "." in path}
    spelled = _own_folder(config_dir, overrides)
    forced = [f"++{each}" if each.partition("=")[0] in known else each for each in spelled]
    return [f"hydra.searchpath=[{quote(f'file://{CONF}')}]", *forced]


def _own_folder(config_dir: Path, overrides: Sequence[str]) -> list[str]:
    """Replace ``dataset=NAME`` by the keys it stands for, if params.yaml lists NAME in ``folders``.

    When no dataset is chosen, the first of the ``folders`` is used.
    """
    folders = _folders(config_dir / f"{CONFIG_NAME}.yaml")
    if not folders:
        return list(overrides)
    chosen = [each.removeprefix("dataset=") for each in overrides if each.startswith("dataset=")]
    name = chosen[-1] if chosen else next(iter(folders))
    if name not in folders or any(each.startswith("dataset.root=") for each in overrides):
        return list(overrides)
    own = {"name": name, "title": name, "root": folders[name]}
    spelled = [f"dataset.{key}={quote(str(value))}" for key, value in own.items()]
    rest = [each for each in overrides if not each.startswith("dataset=")]
    return ["dataset=folder", *spelled, *rest]


def _folders(params: Path) -> dict[str, Any]:
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    folders = values.get("folders") if isinstance(values, dict) else None
    return folders if isinstance(folders, dict) else {}


def register_resolvers() -> None:
    """Register the OmegaConf resolvers that the files of ``conf/`` use.

    - ``${choice:LIST}`` writes one list as Hydra's ``choice(...)``.
    - ``${choices:}`` does so for every list of ``space``. Hydra also resolves it before there is a
      space.
    - ``${choices:sorted}`` also sorts numbers from large to small, so a search can step along them.
    - ``${first:}`` is the point of params.yaml, where a search begins.
    - ``${processes:N}`` is the number of trials with N threads each that run at once here.
    - ``${count:NAME,2}`` is the number in the environment variable NAME, or 2 if it is not set.
    """

    def choice(values: Sequence[Any]) -> str:
        words = [str(v).lower() if isinstance(v, bool) else repr(v) for v in values]
        return f"choice({','.join(words)})"

    def choices(order: str = "", *, _root_: DictConfig) -> dict[str, str]:
        space = {str(name): list(values) for name, values in _root_.get("space", {}).items()}
        if order == "sorted":
            space = {n: v if isinstance(v[0], bool) else sorted(v)[::-1] for n, v in space.items()}
        return {name: choice(values) for name, values in space.items()}

    def first(_root_: DictConfig) -> dict[str, Any]:
        return {str(name): _root_[name] for name in _root_.get("space", {})}

    OmegaConf.register_new_resolver("choice", choice, replace=True)
    OmegaConf.register_new_resolver("choices", choices, replace=True)
    OmegaConf.register_new_resolver("first", first, replace=True)
    OmegaConf.register_new_resolver("processes", processes, replace=True)
    OmegaConf.register_new_resolver("count", lambda name, other: count(name) or other, replace=True)


def compose(config_dir: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the checked configuration of ``config_dir/params.yaml`` with ``overrides``.

    Raises UserError when a file is missing or malformed, when it names code to run, when an
    override or an environment variable of the launcher is wrong, or when a value does not fit the
    schema.
    """
    params = config_dir / f"{CONFIG_NAME}.yaml"
    if not params.is_file():
        raise UserError(f"{params}: no such file. --config-path takes a folder with a params.yaml")
    register_resolvers()
    GlobalHydra.instance().clear()
    try:
        require_plain_defaults(params)
        with initialize_config_dir(str(config_dir.resolve()), version_base="1.3"):
            composed = hydra_compose(
                CONFIG_NAME, hydra_overrides(config_dir, overrides), return_hydra_config=True
            )
            require_harmless(composed.hydra, params)
            require_counts(composed.hydra.runtime.choices.get("hydra/launcher"))
            values = OmegaConf.masked_copy(composed, [str(k) for k in composed if k != "hydra"])
            return check(values, composed.hydra.runtime.choices, config_dir, overrides)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise UserError(_composition_fault(error, params, overrides)) from error


def sweeper_options(cfg: Config, strategy: str) -> SkoptSweeperConf:
    """Return the sweeper options that ``conf/strategy`` sets, with the values of ``cfg`` filled in.

    Raises UserError for an option that the sweeper does not have, or a value it does not accept.
    """
    from hydra_skopt_sweeper.options import check as require_valid  # slow to import

    register_resolvers()
    path = CONF / "strategy" / f"{strategy}.yaml"
    whole = OmegaConf.create(cfg.model_dump())
    try:
        whole.sweeper = OmegaConf.load(path).hydra.sweeper
        written = OmegaConf.to_container(whole.sweeper, resolve=True)
        options: Any = OmegaConf.to_object(OmegaConf.merge(SkoptSweeperConf, written))
        require_valid(options)
    except (OmegaConfBaseException, yaml.YAMLError, SweepError) as error:
        raise UserError(f"{path}: hydra.sweeper: {str(error).splitlines()[0]}") from error
    found: SkoptSweeperConf = options
    return found


def check(
    values: DictConfig, choices: Mapping[str, str], config_dir: Path, overrides: Sequence[str] = ()
) -> Config:
    """Check a composed configuration (without its ``hydra`` node) against the schema.

    ``choices`` names the file chosen in each group; with it and ``overrides`` a UserError says
    where a faulty value came from.
    """
    try:
        return Config.model_validate(OmegaConf.to_container(values, resolve=True))
    except ValidationError as error:
        faults = [
            _fault(fault, _source(fault["loc"], config_dir, overrides, choices))
            for fault in error.errors()
        ]
        raise UserError("\n".join(faults)) from error


def _fault(fault: Mapping[str, Any], source: str) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        allowed = sorted(_fields(fault["loc"][:-1]))
        hint = did_you_mean(str(fault["loc"][-1]), allowed)
        return f"{source}: unknown key '{key}'.{hint} Allowed: {', '.join(allowed)}"
    if fault["type"] == "missing":
        return f"{source}: key '{key}' is missing"
    message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "allowed:")
    message = message.replace("String should match pattern", "allowed: text matching")
    if fault["type"] == "value_error":
        return f"{source}: '{key}': {message}"
    return f"{source}: '{key}': found {fault['input']!r}; {message}"


def _fields(loc: Sequence[str | int]) -> list[str]:
    model: Any = Config
    for part in loc:
        if isinstance(part, str):
            model = model.model_fields[part].annotation
    return list(model.model_fields) if issubclass(model, BaseModel) else []


def _source(
    loc: Sequence[str | int], config_dir: Path, overrides: Sequence[str], choices: Mapping[str, str]
) -> str:
    """Return the override or the file that set the value at ``loc``."""
    words = [str(part) for part in loc]
    key = ".".join(words)
    for override in reversed(overrides):
        name = override.partition("=")[0].lstrip("+~")
        if name not in choices and (key == name or key.startswith(f"{name}.")):
            return f"override {override}"
    params = config_dir / f"{CONFIG_NAME}.yaml"
    raw = OmegaConf.to_container(OmegaConf.load(params))
    if _holds(raw, words) or words[0] not in choices:
        return str(params)
    return str(CONF / words[0] / f"{choices[words[0]]}.yaml")


def _holds(node: Any, words: Sequence[str]) -> bool:
    for word in words:
        if not isinstance(node, dict) or word not in node:
            return False
        node = node[word]
    return True


def _composition_fault(error: Exception, params: Path, overrides: Sequence[str]) -> str:
    text = str(error).strip()
    cause = error.__cause__
    if cause is not None and str(cause) and str(cause) not in text:
        text += f" ({str(cause).strip().splitlines()[0]})"
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("Could not override '"):
        key = lines[0].split("'")[1]
        near = [path for path in _paths(Config) if path.split(".")[-1] == key]
        hint = f" Did you mean {' or '.join(near)}?" if near else did_you_mean(key, _paths(Config))
        return f"override '{key}': no such key.{hint}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        own = [str(each) for each in _folders(params)] if group == "dataset" else []
        options = [*own, *(error.options or [])]
        allowed = f" Allowed: {', '.join(options)}" if options else ""
        hint = did_you_mean(name, options)
        by_environment = (
            group == "hydra/launcher"
            and name == os.environ.get(LAUNCHER)
            and not any(each.startswith(f"{group}=") for each in overrides)
        )
        source = LAUNCHER if by_environment else f"{params} or an override"
        return f"{source}: no {group} '{name}'.{hint}{allowed}"
    return f"{params}: " + "\n".join(lines)


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _paths(kind, f"{prefix}{name}.")
