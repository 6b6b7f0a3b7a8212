"""Compose ``params.yaml``, ``conf/`` and overrides with Hydra, and check the result."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra_plugins.hydra_skopt_sweeper.config import SkoptSweeperConf
from hydra_skopt_sweeper.errors import SweepError
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from pipeline.base.errors import UserError
from pipeline.settings.defaults import require_plain_defaults
from pipeline.settings.faults import Origin, composition_fault, paths
from pipeline.settings.folders import CONF, CONFIG_NAME
from pipeline.settings.guard import (
    groups,
    read_params,
    require_plain_groups,
    require_plain_overrides,
)
from pipeline.settings.machine import count, processes, require_counts
from pipeline.settings.plain_yaml import read_mapping
from pipeline.settings.rules import RULES, Rule
from pipeline.settings.schema import Config, SearchConfig
from pipeline.settings.values import Model


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
    stands for. Keys of the schema get ``++``, because Hydra would refuse those that no file sets;
    groups take no prefix, and only params.yaml sets ``folders``.
    """
    values = read_mapping(config_dir / f"{CONFIG_NAME}.yaml")
    known = {*paths(Config)} - {*groups(), "folders"}
    spelled = _own_folder(values, overrides)
    forced = [f"++{each}" if each.partition("=")[0] in known else each for each in spelled]
    return [f"hydra.searchpath=[{quote(f'file://{CONF}')}]", *_budgets(values), *forced]


def _budgets(values: Mapping[str, Any]) -> list[str]:
    """Spell out what a budget in params.yaml leaves to the schema: conf/strategy reads each key."""
    search = values.get("search") or {}
    return [
        f"++search.{name}.{key}={'null' if value is None else value}"
        for name, field in SearchConfig.model_fields.items()
        if isinstance(field.default, Model)
        for key, value in field.default.model_dump().items()
        if isinstance(search, dict) and isinstance(search.get(name) or {}, dict)
        if key not in (search.get(name) or {})
    ]


def _own_folder(values: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """Replace ``dataset=NAME`` by the keys it stands for, if params.yaml lists NAME in ``folders``.

    When no dataset is chosen, the first of the ``folders`` is used.
    """
    folders = _folders(values)
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


def _folders(values: Mapping[str, Any]) -> dict[str, Any]:
    folders = values.get("folders")
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


def compose(config_dir: Path, overrides: Sequence[str] = (), *rules: Rule) -> Config:
    """Return the checked configuration of ``config_dir/params.yaml`` with ``overrides``.

    Raises UserError as :func:`compose_for_sweep` does.
    """
    return compose_for_sweep(config_dir, overrides, *rules)[0]


def compose_for_sweep(
    config_dir: Path, overrides: Sequence[str] = (), *rules: Rule
) -> tuple[Config, str | None]:
    """Return the checked configuration, and the launcher that was chosen for a sweep's jobs.

    ``rules`` are checked besides those of :mod:`pipeline.settings.rules`.
    Raises UserError when a file is missing or malformed, when it names code to run, when an
    override or an environment variable of the launcher is wrong, or when a value does not fit the
    schema.
    """
    params = config_dir / f"{CONFIG_NAME}.yaml"
    if not params.is_file():
        raise UserError(f"{params}: no such file. --config-path takes a folder with a params.yaml")
    values = read_params(params)
    chosen = require_plain_defaults(values, params)
    chosen += require_plain_overrides(_own_folder(values, overrides))
    require_plain_groups(config_dir, chosen)
    register_resolvers()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_dir.resolve()), version_base="1.3"):
            composed = hydra_compose(
                CONFIG_NAME, hydra_overrides(config_dir, overrides), return_hydra_config=True
            )
            choices = composed.hydra.runtime.choices
            launcher = choices.get("hydra/launcher")
            require_counts(launcher)
            plain = OmegaConf.masked_copy(composed, [str(k) for k in composed if k != "hydra"])
            origin = Origin(config_dir, overrides, choices)
            cfg = check(plain, origin)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        own = list(_folders(values))
        raise UserError(composition_fault(error, params, overrides, own)) from error
    for rule in (*RULES, *rules):
        rule(cfg, origin)
    return cfg, launcher


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
    checked: SkoptSweeperConf = options
    return checked


def check(values: DictConfig, origin: Origin) -> Config:
    """Check a composed configuration (without its ``hydra`` node) against the schema.

    Raises UserError, which says by ``origin`` where each faulty value came from.
    """
    try:
        return Config.model_validate(OmegaConf.to_container(values, resolve=True))
    except ValidationError as error:
        # A list that may also be a word has a second error, about the word.
        faults = [
            each
            for each in error.errors()
            if each["type"] != "literal_error" or each["loc"][:2] != ("evaluate", "seeds")
        ]
        raise UserError("\n".join(map(origin.describe, faults))) from error
