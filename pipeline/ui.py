"""Browse the trials at http://127.0.0.1:5000, until Ctrl-C.

    vdtransfer ui            or: python -m pipeline.ui

Starts MLflow's page on the journal of this folder, for this machine alone, and prints the addresses
of its search trials and of its sweeps, best first.
"""

import subprocess
import sys

from pipeline.base.arguments import documented
from pipeline.settings.command_line import guarded, program

HOST, PORT = "127.0.0.1", "5000"


def main() -> None:
    """Start MLflow's page and wait for it."""
    documented(__doc__, prog=program()).parse_args()
    from pipeline.trials.journal import experiments  # mlflow takes seconds to import
    from pipeline.trials.store import tracking_uri
    from pipeline.trials.views import VIEWS, view_address

    uri, ui = tracking_uri(), f"http://{HOST}:{PORT}"
    print("Ctrl-C ends it. Best first:")
    for name, number in experiments().items():
        for view in VIEWS:
            print(f"  {view} of {name}: {view_address(ui, number, view)}", flush=True)
    command = [sys.executable, "-P", "-m", "mlflow", "ui", "--host", HOST, "--port", PORT]
    sys.exit(subprocess.run([*command, "--backend-store-uri", uri], check=False).returncode)


if __name__ == "__main__":
    guarded(main, resumes=False)
