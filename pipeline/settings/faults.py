"""Say what is wrong with a configuration: the override or file, the key, what it holds and may."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from omegaconf import OmegaConf
from pydantic import BaseModel

from pipeline.base.text import among, did_you_mean, gist
from pipeline.settings.folders import CONF, CONFIG_NAME
from pipeline.settings.guard import LAUNCHER_GROUP
from pipeline.settings.machine import LAUNCHER
from pipeline.settings.plain_yaml import read_mapping
from pipeline.settings.schema import Config
from pipeline.settings.values import PATTERNS, RULE, written

_ABSENT = object()


@dataclass(frozen=True)
class Origin:
    """The files and overrides from which a configuration was composed."""

    config_dir: Path
    overrides: Sequence[str]
    choices: Mapping[str, str] = field(default_factory=dict)
    """The file chosen in each group."""

    @property
    def params(self) -> Path:
        return self.config_dir / f"{CONFIG_NAME}.yaml"

    def source_of(self, *loc: str | int) -> str:
        """Return the override or the file that set the value at ``loc``."""
        words = [str(part) for part in loc]
        key = ".".join(words)
        for override in reversed(self.overrides):
            name = override.partition("=")[0].lstrip("+~")
            if name not in self.choices and (key == name or key.startswith(f"{name}.")):
                return f"override {override}"
        node: Any = OmegaConf.to_container(OmegaConf.load(self.params))
        for word in words:
            if isinstance(node, list):
                break
            node = node.get(word, _ABSENT) if isinstance(node, dict) else _ABSENT
        if node is not _ABSENT or words[0] not in self.choices:
            return str(self.params)
        return str(self.group_file(words[0], self.choices[words[0]]))

    def group_file(self, group: str, name: str) -> Path:
        """Return the file of a group: one beside params.yaml counts before that of ``conf/``."""
        beside = self.config_dir / group / f"{name}.yaml"
        return beside if beside.is_file() else CONF / group / f"{name}.yaml"

    def describe(self, fault: Mapping[str, Any]) -> str:
        """Describe one error of pydantic's and name the override or file that the value is from."""
        loc = fault["loc"]
        if fault["type"] == RULE:  # between keys: blame the one that an override set
            keys = [(*loc, key) for key in fault["ctx"]["keys"]]
            sources = [self.source_of(*key) for key in keys]
            place = next((n for n, text in enumerate(sources) if text.startswith("override ")), 0)
            return f"{sources[place]}: '{'.'.join(map(str, keys[place]))}': {fault['msg']}"
        loc = _keys(loc)
        source, key = self.source_of(*loc), ".".join(map(str, loc))
        if fault["type"] == "extra_forbidden":
            return f"{source}: unknown key '{key}'.{among(str(loc[-1]), sorted(_fields(loc[:-1])))}"
        if fault["type"] == "missing":
            return f"{source}: key '{key}' is missing"
        if fault["type"] == "value_error":
            return f"{source}: '{key}': {fault['msg'].removeprefix('Value error, ')}"
        return f"{source}: '{key}': found {written(fault['input'])}; allowed: {_allowed(fault)}"


def _keys(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Leave out what pydantic adds to the keys: types within a union, ``[key]`` for a bad name."""
    if loc[:2] == ("evaluate", "seeds"):
        return tuple(part for part in loc if "[" not in str(part))
    return loc[:2] if loc[:1] == ("folders",) else loc


def _allowed(fault: Mapping[str, Any]) -> str:
    """Say in plain words what would have been right for one error of pydantic's."""
    plain = {
        "bool_type": "true or false",
        "dict_type": "a mapping of keys to values",
        "float_type": "a number",
        "int_type": "a whole number",
        "invalid_key": "text as a key",
        "list_type": "a list",
        "model_type": "a mapping of keys to values",
        "string_type": "text",
    }
    if fault["type"] == "string_pattern_mismatch":
        return PATTERNS.get(fault["ctx"]["pattern"], f"text matching {fault['ctx']['pattern']}")
    words = re.sub(r"^(Input|List|String) should (be|have) | after validation.*$", "", fault["msg"])
    return plain.get(fault["type"], words)


def misshapen(
    values: Mapping[str, Any], model: type[BaseModel] = Config, prefix: str = ""
) -> Iterator[str]:
    """Yield a sentence for each mapping or list in ``values`` that must be something else."""
    for name in values.keys() & model.model_fields.keys():
        kinds, value = [*_kinds(model.model_fields[name].annotation)], values[name]
        inner = next(filter(_is_model, kinds), None)
        if inner and isinstance(value, dict):
            yield from misshapen(value, inner, f"{prefix}{name}.")
        elif inner and isinstance(value, list):
            yield f"'{prefix}{name}': found {value!r}; allowed: a mapping of keys to values"
        elif isinstance(value, dict) and list in [get_origin(kind) for kind in kinds]:
            yield f"'{prefix}{name}': found {value!r}; allowed: a list"


def _fields(loc: Sequence[str | int]) -> list[str]:
    model: Any = Config
    for part in loc:
        if isinstance(part, str):
            kind = model.model_fields[part].annotation
            kinds = [each for one in _kinds(kind) for each in (one, *get_args(one))]
            model = next(filter(_is_model, kinds), None)
    return list(model.model_fields) if model else []


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield each type that an annotation allows."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _kinds(each)
    else:
        yield annotation


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def composition_fault(
    error: Exception, params: Path, overrides: Sequence[str], folders: Sequence[str]
) -> str:
    """Describe why Hydra could not compose ``params``, whose own image folders are ``folders``."""
    text = str(error).strip()
    cause = error.__cause__
    if cause is not None and str(cause) and str(cause) not in text:
        text += f" ({str(cause).strip().splitlines()[0]})"
    lines = [line for line in text.splitlines() if line.strip()]
    if absent := re.search(r"full_key: (hydra\.launcher\.\S+)", f"{text} {cause}"):
        return (
            f"{params} or an override: '{absent[1]}': the chosen launcher has no such key; choose "
            f"another one with hydra/launcher=NAME or {LAUNCHER}=NAME"
        )
    if lines and lines[0].startswith("Could not override '"):
        key = lines[0].split("'")[1]
        section = key.rpartition(".")[0]
        siblings = _fields(section.split(".")) if section in paths(Config) else []
        if siblings:
            return f"override '{key}': no such key.{among(key.rpartition('.')[2], siblings)}"
        if key in paths(Config):
            return (
                f"override '{key}': found a key that {params} does not set; allowed: set it there"
            )
        near = [path for path in paths(Config) if path.split(".")[-1] == key]
        hint = f" Did you mean {' or '.join(near)}?" if near else did_you_mean(key, paths(Config))
        return f"override '{key}': no such key.{hint}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        own = [str(each) for each in folders] if group == "dataset" else []
        options = [*own, *(error.options or [])]
        by_environment = error.missing_cfg_file == f"{LAUNCHER_GROUP}/{os.environ.get(LAUNCHER)}"
        if any(each.startswith(f"{LAUNCHER_GROUP}=") for each in overrides):
            by_environment = False
        source = LAUNCHER if by_environment else f"{params} or an override"
        return f"{source}: no {group} '{name}'.{among(name, options) if options else ''}"
    faults = [f"{params}: {each}" for each in misshapen(read_mapping(params))]
    for override in overrides:
        nested = _nested(override)
        faults += [f"override {override}: {each}" for each in misshapen(nested)]
    source = f"{params} with {' '.join(overrides)}" if overrides else str(params)
    return "\n".join(faults or [f"{source}: {gist(text)}"])


def _nested(override: str) -> dict[str, Any]:
    """Return the value of an override within mappings, one for each part of its key."""
    parsed = OverridesParser.create().parse_override(override)
    *parts, name = parsed.key_or_group.split(".")
    nested: dict[str, Any] = {name: parsed.value()}
    for part in reversed(parts):
        nested = {part: nested}
    return nested


def paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of each key of ``model``, of its parts too."""
    for name, info in model.model_fields.items():
        yield prefix + name
        kind = info.annotation
        if _is_model(kind):
            yield from paths(kind, f"{prefix}{name}.")
