"""Write YAML that people read: keys in their order, some lists and mappings on one line."""

from collections.abc import Mapping
from typing import Any

import yaml


class Inline(dict[str, Any]):
    """A mapping written on one line."""


class Row(list[str]):
    """A list written on one line."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


_Dumper.add_representer(
    Inline,
    lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True),
)
_Dumper.add_representer(
    Row,
    lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True),
)


def dump(plain: Mapping[str, Any]) -> str:
    """Return YAML in the order of ``plain``, with lists below their keys."""
    return yaml.dump(
        plain,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
        default_flow_style=False,
    )
