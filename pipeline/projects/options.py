"""Define the arguments of the commands that make a project of a person's own images."""

import argparse
from collections.abc import Sequence
from typing import Any

import yaml

from pipeline.base.arguments import documented
from pipeline.base.errors import UserError
from pipeline.projects.own_images import STRATEGIES
from pipeline.settings.command_line import program


def arguments(doc: str) -> argparse.ArgumentParser:
    """Return a parser for the arguments that define a project; ``doc`` describes the command."""
    parser = documented(doc, prog=program())
    parser.add_argument("data", metavar="PATH", help="your images, or a table that lists them")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="dataset.KEY=VALUE",
        help="how a new project reads the images, such as dataset.class_level=2",
    )
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that define a project to a parser."""
    parser.add_argument("--name", help="name of the project (default: the folder's)")
    parser.add_argument(
        "--model", help="a file of conf/model, or auto: what suits this machine (default: auto)"
    )
    parser.add_argument(
        "--strategies",
        metavar="NAME,...",
        help="names under conf/strategy, comma-separated "
        f"(default: {','.join(STRATEGIES)}; with --hours bayes)",
    )
    parser.add_argument(
        "--hours", type=float, help="time from this command to the report (default: no limit)"
    )


def dataset_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Parse settings such as ``dataset.KEY=VALUE``. Raises UserError for any other."""
    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        group, _, field = key.partition(".")
        if group != "dataset" or not field or not equals:
            raise UserError(f"found {setting}; allowed for a new project: dataset.KEY=VALUE")
        values[field] = yaml.safe_load(text)
    return values


def require_hours(hours: float | None) -> None:
    """Raise UserError unless ``--hours`` is a number above 0."""
    if hours is not None and not 0 < hours < float("inf"):
        raise UserError(f"--hours: found {hours:g}; allowed: a number above 0")
