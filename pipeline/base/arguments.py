"""Read the arguments of commands and benchmarks."""

import argparse
from typing import Any


def documented(doc: str | None, **options: Any) -> argparse.ArgumentParser:
    """Return a parser whose help shows ``doc``, a module's docstring, as it is written.

    ``options`` are those of ``argparse.ArgumentParser``.
    """
    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=doc, formatter_class=raw, **options)
