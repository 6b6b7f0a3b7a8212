"""Check the ``defaults`` of a params.yaml before Hydra reads them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.settings.guard import LAUNCHER_GROUP, Choice, groups, names_in

SELF = "_self_"


def require_plain_defaults(values: Mapping[str, Any], params: Path) -> list[Choice]:
    """Return what ``defaults`` chooses. Raise UserError unless those are groups of ``conf/``, and
    ``_self_`` the last entry.

    ``values`` are those of ``params``.
    For prepare, DVC watches ``dataset:`` in params.yaml, not ``defaults``. In another order, or
    with an entry that is not a group, ``defaults`` could change the meaning of ``dataset:``
    unnoticed.
    """
    if "defaults" not in values:
        raise UserError(f"{params}: key 'defaults' is missing: the list of groups, then {SELF}")
    defaults = values["defaults"]
    if not isinstance(defaults, list):
        raise UserError(
            f"{params}: 'defaults': found {defaults!r}; allowed: a list of GROUP: NAME with the "
            f"groups {', '.join(groups())}, and {SELF} as the last entry"
        )
    if defaults[-1:] != [SELF]:
        raise UserError(
            f"{params}: the last entry of 'defaults' must be {SELF}: the values of this file count "
            "before those of conf/"
        )
    chosen = [
        _choice(str(key), name, params, given=isinstance(entry, dict))
        for entry in defaults[:-1]
        for key, name in (entry if isinstance(entry, dict) else {str(entry): None}).items()
    ]
    groups_chosen = [group for group, _ in chosen]
    for group in groups_chosen:
        if groups_chosen.count(group) > 1:
            raise UserError(f"{params}: 'defaults': found '{group}' twice; allowed: once")
    return chosen


def _choice(key: str, name: Any, params: Path, *, given: bool) -> Choice:
    group = key.removeprefix("override ").strip().removeprefix("/")
    if not given or (group not in groups() and group != LAUNCHER_GROUP):
        raise UserError(
            f"{params}: 'defaults': found '{key}'; allowed: GROUP: NAME with a group of conf/ "
            f"({', '.join([*groups(), LAUNCHER_GROUP])}), and {SELF} as the last entry"
        )
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        names = ", ".join(names_in(group))
        raise UserError(f"{params}: 'defaults': '{group}': found {name!r}; allowed: {names}")
    return group, name
