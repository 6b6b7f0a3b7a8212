"""Run DVC and print only its warnings and errors. Its own --quiet hides those too.

python -m pipeline.projects.quiet_dvc repro quickstart/dvc.yaml
"""

import logging
import sys

from dvc.cli import main as dvc
from dvc.ui import ui


def main() -> None:
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.WARNING)
    ui.enable = lambda: None  # advice to push, with or without a remote
    sys.exit(dvc(sys.argv[1:]))


if __name__ == "__main__":
    main()
