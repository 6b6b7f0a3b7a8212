"""Browse the trials at http://127.0.0.1:5000, until Ctrl-C.

    vdtransfer ui            or: python -m pipeline.ui

Starts MLflow's page on the journal of this folder, for this machine alone. Once it answers, prints
the addresses of its search trials and of its sweeps, best first.
"""

import os
import signal
import socket
import subprocess
import sys
import time

from pipeline.base.arguments import documented
from pipeline.base.errors import UserError
from pipeline.settings.command_line import guarded, program

HOST, PORT = "127.0.0.1", 5000


def main() -> None:
    """Start MLflow's page and wait for it. Raises UserError when its port is in use."""
    documented(__doc__, prog=program()).parse_args()
    from pipeline.trials.interruptions import interrupt
    from pipeline.trials.journal import experiments  # mlflow takes seconds to import
    from pipeline.trials.store import tracking_uri
    from pipeline.trials.views import VIEWS, view_address

    if _answers():
        raise UserError(
            f"port {PORT} of {HOST} is in use, perhaps by another `ui`. End that program and run "
            "the same command again."
        )
    uri, ui, known = tracking_uri(), f"http://{HOST}:{PORT}", experiments()
    command = [sys.executable, "-P", "-m", "mlflow", "ui", "--host", HOST, "--port", str(PORT)]
    print("starting; Ctrl-C ends it", flush=True)
    signal.signal(signal.SIGTERM, interrupt)
    plain = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # else idle processes
    with subprocess.Popen([*command, "--backend-store-uri", uri], env=plain) as server:
        try:
            while server.poll() is None:
                if _answers():
                    print("Best first:")
                    for name, number in known.items():
                        for view in VIEWS:
                            address = view_address(ui, number, view)
                            print(f"  {view} of {name}: {address}", flush=True)
                    break
                time.sleep(0.2)
            status = server.wait()
        finally:
            server.terminate()  # a signal may have reached this process alone
    sys.exit(status)


def _answers() -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((HOST, PORT)) == 0


if __name__ == "__main__":
    guarded(main, resumes=False)
