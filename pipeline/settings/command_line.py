"""Read the arguments of a stage and turn its errors into exit codes; all stages share this."""

import argparse
import errno
import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.base.arguments import documented
from pipeline.base.errors import UserError
from pipeline.base.text import printable, printable_lines
from pipeline.settings.compose import compose
from pipeline.settings.folders import PROGRAM
from pipeline.settings.guard import groups as conf_groups
from pipeline.settings.guard import names_in
from pipeline.settings.machine import STARTED
from pipeline.settings.rules import Rule
from pipeline.settings.schema import Config


def groups() -> str:
    """List the configuration groups and the names that each one accepts, a group per line."""
    names = {group: names_in(group) for group in conf_groups() if group != "paths"}
    return "\n".join(f"  {group}={'|'.join(each)}" for group, each in names.items() if each)


def program() -> str:
    """Return what a person types to start the running command, such as ``vdtransfer plan``."""
    return f"{PROGRAM} {Path(sys.argv[0]).stem}"


def parser(doc: str, operands: str = "KEY=VALUE") -> argparse.ArgumentParser:
    """Return a parser for ``--config-path`` and overrides; ``doc`` is the command's docstring.

    Help calls the overrides ``operands``: some commands also take a path among them.
    """
    made = documented(
        doc,
        prog=program(),
        epilog=f"Overrides are Hydra's: a group takes a name, a key takes a value\n{groups()}\n"
        "  seed=1 recipe.epochs=20 machine.threads=1 ...",
    )
    made.add_argument(
        "--config-path",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder of the params.yaml to use, such as quickstart (default: this folder)",
    )
    made.add_argument("overrides", nargs="*", metavar=operands)
    return made


def banner(name: str, cfg: Config) -> str:
    """Return the first line of a stage: its name, and what it works on."""
    cell = (cfg.dataset.title, cfg.model.name, cfg.strategy.name)
    works_on = {
        "download": cell[:1],
        "prepare": cell[:1],
        "decide": cell[:2],
        "report": (cfg.title,),
    }.get(name, cell)
    return f"── {' · '.join((name, *works_on))} ".ljust(72, "─")


def show_log() -> None:
    """Print the log of this package, one plain line per message."""
    log = logging.getLogger("pipeline")
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)


def stage(run: Callable[[Config], None], doc: str, *rules: Rule) -> None:
    """Compose and check the configuration, also by ``rules``, then run the stage with it.

    A UserError becomes one message and exit code 2. ``doc`` is the stage's docstring.
    """

    def main() -> None:
        arguments = parser(doc).parse_args()
        show_log()
        cfg = compose(arguments.config_path, arguments.overrides, *rules)
        print(banner(Path(sys.argv[0]).stem, cfg), flush=True)
        run(cfg)

    guarded(main)


def guarded(main: Callable[[], None], *, resumes: bool = True) -> None:
    """Run ``main`` and turn its errors into one message and an exit code.

    A UserError, a full disk or missing access exits with 2, Ctrl-C with 130. ``resumes`` says
    whether running the same command again continues where it stopped. A stage of a larger command
    leaves the message on Ctrl-C to that command, which gets the signal too.
    """
    kept = "what was finished is kept" if resumes else ""
    again = "run the same command again" + (f"; {kept}" if kept else "")
    for stream in (sys.stdout, sys.stderr):  # names may not fit the encoding
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
    except UserError as error:
        print(f"error: {printable_lines(error)}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and error.filename:
            print(
                f"error: {printable(error.filename)}: {error.strerror}. Make it accessible "
                f"and {again}",
                file=sys.stderr,
            )
            sys.exit(2)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" of {error.filename}" if error.filename else ""
        print(
            f"error: the disk{where} is full. Make room and {again}",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        advice = f": {kept}; run the same command to go on" if kept else ""
        if STARTED not in os.environ:
            print(f"interrupted{advice}", file=sys.stderr)
        sys.exit(130)
