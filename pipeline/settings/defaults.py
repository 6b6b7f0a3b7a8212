"""Check the ``defaults`` of a params.yaml before Hydra reads them."""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline.base.errors import UserError
from pipeline.settings.folders import CONF

SELF = "_self_"


def require_plain_defaults(params: Path) -> None:
    """Raise UserError unless ``defaults`` chooses groups of ``conf/`` and ends with ``_self_``.

    For prepare, DVC watches ``dataset:`` in params.yaml, not ``defaults``. In another order, or
    with an entry that is not a group, ``defaults`` could change the meaning of ``dataset:``
    unnoticed.
    """
    values = yaml.safe_load(params.read_text(encoding="utf-8"))
    defaults = values.get("defaults") if isinstance(values, dict) else None
    if not isinstance(defaults, list):
        return  # Hydra's own message says what is missing
    if defaults[-1:] != [SELF]:
        raise UserError(
            f"{params}: the last entry of 'defaults' must be {SELF}: the values of this file count "
            "before those of conf/"
        )
    groups = sorted(path.name for path in CONF.iterdir() if path.is_dir())
    for entry in defaults[:-1]:
        names = list(entry) if isinstance(entry, dict) else [entry]
        for name in names:
            group = str(name).removeprefix("override ").removeprefix("/").partition("/")[0]
            if not isinstance(entry, dict) or group not in groups:
                raise UserError(
                    f"{params}: 'defaults': found '{name}'; allowed: GROUP: NAME with a group of "
                    f"conf/ ({', '.join(groups)}), and {SELF} as the last entry"
                )
