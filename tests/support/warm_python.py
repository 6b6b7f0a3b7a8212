"""A `python` whose processes are forked from one that has imported the libraries already.

A fresh interpreter spends seven seconds of a core on importing torch and mlflow. Here each run is
a process of its own, with its own arguments, environment, working directory and standard streams;
it imports `pipeline` from its own path, so that a copy of the project runs its own code. What the
libraries read from the environment when they are imported, such as OMP_NUM_THREADS, is that of
`small_project.environment`. Only `python -m` and `python -c` are for it.
"""

import atexit
import functools
import gc
import importlib
import marshal
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]
IMPORTED = ("evaluate", "prepare", "report", "trials.sweep", "deployment.onnx_export")
"""Modules of pipeline that import every library between them."""
STREAMS = (0, 1, 2)

_CLIENT = """\
#!{python} -IS
import marshal, os, signal, socket, sys

server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ)))
socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
server.sendall(request)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: server.send(bytes([number])))
answer = server.recv(8)
code = int.from_bytes(answer, "big", signed=True) if answer else 1
if code < 0:
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@functools.cache
def folder() -> Path:
    """Start the process that forks, once, and return the folder with its `python` for PATH."""
    made = Path(tempfile.mkdtemp(prefix="warm-python-"))
    address = str(made / "socket")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm_python", address],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    atexit.register(shutil.rmtree, made)
    atexit.register(server.wait)
    atexit.register(server.stdin.close)
    assert server.stdout.readline() == "ready\n"
    (made / "bin").mkdir()
    client = made / "bin" / "python"
    client.write_text(_CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    return made / "bin"


def serve(address: str) -> None:
    """Fork for each client until the standard input ends."""
    for name in IMPORTED:
        importlib.import_module(f"pipeline.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[name]  # a run imports its own copy
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1, "a fork has only one of the threads"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while listener in (ready := select.select([listener, sys.stdin], [], [])[0]):
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _keep(connection)
            connection.close()
            _reap(os.WNOHANG)
        assert sys.stdin in ready
    _reap(0)


def _reap(options: int) -> None:
    """Collect the keepers that have ended, so that their time counts as that of the tests."""
    try:
        while os.waitpid(-1, options)[0]:
            pass
    except ChildProcessError:
        pass


def _keep(connection: socket.socket) -> NoReturn:
    """Fork the run, hand signals on to it and its exit code back; kill it when the client dies."""
    head, streams, _, _ = socket.recv_fds(connection, 8, len(STREAMS))
    with connection.makefile("rb") as file:
        request = file.read(int.from_bytes(head, "big"))
    process = os.fork()
    if process == 0:
        connection.close()
        _become(streams, *marshal.loads(request))
    with suppress(PermissionError):  # it did this itself and has become another program
        os.setpgid(process, process)  # its client may die before it does this
    for stream in streams:
        os.close(stream)
    end = os.pidfd_open(process)
    while end not in select.select([connection, end], [], [])[0]:
        numbers = connection.recv(16)
        if numbers == b"":
            os.killpg(process, signal.SIGKILL)
            break
        for number in numbers:
            os.kill(process, number)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        connection.send(code.to_bytes(8, "big", signed=True))
    finally:
        os._exit(0)


def _become(
    streams: list[int], arguments: list[str], cwd: str, environment: Mapping[str, str]
) -> NoReturn:
    os.setpgid(0, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those made at the start of this process remember whether its own streams could seek.
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    own = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [cwd, *filter(None, own), *(each for each in sys.path if each != str(ROOT))]
    importlib.invalidate_caches()
    code = 1
    try:
        _run(*arguments)
        code = 0
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(option: str, what: str, *arguments: str) -> None:
    sys.argv = [option, *arguments]
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        assert option == "-c", f"python {option}: start a real one"
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def _exit_code(stop: SystemExit) -> int:
    if isinstance(stop.code, int) or stop.code is None:
        return int(stop.code or 0)
    print(stop.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    serve(sys.argv[1])
