"""Run DVC and print only its warnings and errors. Its own --quiet hides those too.

DVC refuses a pipeline that another process runs. Here a second process with the same arguments
waits instead. DVC's own process holds the lock, because it continues when the command that started
it is killed.

python -m pipeline.projects.quiet_dvc repro quickstart/dvc.yaml
"""

import hashlib
import logging
import re
import sys

from dvc.cli import main as dvc
from dvc.ui import ui

from pipeline.base.locks import alone
from pipeline.settings.folders import lock_file

_BY_CTRL_C = re.compile(r"exited with (130|-2)$")
"""What DVC says of a stage that answered the signal, or that was just about to end."""
_CLEARED = "Auto removed it from the lock file"
"""Part of what DVC says of each file that a killed process had reserved."""


def main() -> None:
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger("dvc").handlers:  # the same ones for all three
        handler.addFilter(_worth_showing)
    ui.enable = lambda: None  # advice to push, with or without a remote
    words = sys.argv[1:]
    same = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    try:
        with alone(lock_file(f"dvc-{same}"), "this pipeline"):
            sys.exit(dvc(words))
    except KeyboardInterrupt:  # while it waits
        sys.exit(130)


def _worth_showing(record: logging.LogRecord) -> bool:
    """Return False for messages about a Ctrl-C, or about what an earlier kill left behind."""
    if _CLEARED in record.getMessage():
        return False
    error = record.exc_info[1] if record.exc_info else None
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or _BY_CTRL_C.search(str(error)):
            return False
        error = error.__cause__
    return True


if __name__ == "__main__":
    main()
