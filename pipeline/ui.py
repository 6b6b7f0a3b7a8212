"""Browse the trials at http://127.0.0.1:5000, until Ctrl-C.

    vdtransfer ui            or: python -m pipeline.ui

Starts MLflow's page on the journal of this folder. It listens on this machine alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from pipeline.settings.command_line import guarded, program

HOST, PORT = "127.0.0.1", "5000"


def main() -> None:
    """Start MLflow's page and wait for it."""
    argparse.ArgumentParser(
        prog=program(), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    from pipeline.trials.journal import tracking_uri  # mlflow takes seconds to import

    uri = tracking_uri()
    print(f"http://{HOST}:{PORT}/#/experiments (at the top left choose Model training)", flush=True)
    command = [sys.executable, "-P", "-m", "mlflow", "ui", "--host", HOST, "--port", PORT]
    sys.exit(subprocess.run([*command, "--backend-store-uri", uri], check=False).returncode)


if __name__ == "__main__":
    guarded(main, resumes=False)
