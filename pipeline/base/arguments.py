"""Read the arguments of commands and benchmarks."""

import argparse
from pathlib import Path
from typing import Any


def documented(doc: str | None, *, json: bool = False, **options: Any) -> argparse.ArgumentParser:
    """Return a parser whose help shows ``doc``, a module's docstring, as it is written.

    With ``json`` it takes a path for the figures of a benchmark. ``options`` are those of
    ``argparse.ArgumentParser``.
    """
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=raw, **options)
    if json:
        parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there")
    return parser
