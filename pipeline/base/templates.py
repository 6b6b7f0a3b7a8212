"""Fill in templates of plain text."""

from typing import Any

import jinja2


def rendered(package: str, template: str, **values: Any) -> str:
    """Fill in a template from the folder ``templates`` of a package; nothing is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)
