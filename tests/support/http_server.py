"""A loopback HTTP server of a folder that can misbehave on request.

>>> with Server(folder) as server:
...     server.faults["a.tar.gz"] = [Drop(after=1000), Status(503), Status(503)]
...     download(server.url + "/a.tar.gz")

Each request for a path takes the next of its faults; when none is left the file is served, with
byte ranges, ETag and If-Range as real servers do. ``server.requests`` keeps what was asked.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Drop:
    """Close the connection after so many bytes of the body, the length announced in full."""

    after: int


@dataclass(frozen=True)
class Status:
    """Answer with this status and nothing else."""

    code: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Replace:
    """Serve other bytes under the same name."""

    content: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Redirect:
    """Send the client to another address."""

    to: str


@dataclass(frozen=True)
class Hang:
    """Send so many bytes of the body, then keep silent until the server closes."""

    after: int = 0


@dataclass(frozen=True)
class Trickle:
    """Send one byte at a time, with so many seconds between two."""

    seconds: float


@dataclass(frozen=True)
class OtherRange:
    """Answer 206 with the bytes from another place than was asked for, and say the asked one."""

    shift: int


@dataclass(frozen=True)
class NoRanges:
    """Serve the whole file whatever range is asked for; drop after so many bytes if given."""

    drop_after: int | None = None


@dataclass(frozen=True)
class NoLength:
    """Serve the whole file without announcing its length."""


@dataclass(frozen=True)
class Endless:
    """Announce no length and send zeros until the client goes away."""


Fault = (
    Drop | Status | Replace | Redirect | Hang | Trickle | OtherRange | NoRanges | NoLength | Endless
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str] = field(hash=False)

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class Server:
    """Serves the files of ``folder`` at ``url`` while its ``with`` block runs.

    With a ``context`` it speaks https.
    """

    def __init__(self, folder: Path, context: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.faults: dict[str, list[Fault]] = {}
        """By path below ``url``, without a leading slash."""
        self.headers: dict[str, str] = {}
        """Sent with every answer."""
        self.requests: list[Request] = []
        self.sent: dict[str, int] = {}
        """Bytes of body sent, by path."""
        self.closing = threading.Event()
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if context else "http"
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take_fault(self, path: str) -> Fault | None:
        waiting = self.faults.get(path)
        return waiting.pop(0) if waiting else None


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the play."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = self.path.lstrip("/").split("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append(Request(self.command, path, headers))
            waiting = server.faults.get(path, [])
            down = waiting[:1] and isinstance(waiting[0], Status)
            fault = server.take_fault(path) if body or down else None
            match fault:
                case Status():
                    return self._head(fault.code, 0, dict(fault.headers))
                case Redirect():
                    return self._head(302, 0, {"Location": fault.to})
                case Endless():
                    return self._endless(path)
                case Replace():
                    content, extra = fault.content, dict(fault.headers)
                case _:
                    file = server.folder / path
                    if not file.is_file():
                        return self._head(404, 0, {})
                    content, extra = file.read_bytes(), {}
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            extra = {"ETag": tag, "Content-Type": "application/octet-stream"} | extra
            start = 0 if isinstance(fault, NoRanges) else self._start(headers, tag)
            if start and start >= len(content):
                return self._head(416, 0, {"Content-Range": f"bytes */{len(content)}"})
            if start:
                extra["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            if isinstance(fault, OtherRange):
                content = content[fault.shift :] + content[: fault.shift]
            if isinstance(fault, NoLength):
                extra["Connection"] = "close"
                self._head(200, None, extra)
            else:
                self._head(206 if start else 200, len(content) - start, extra)
            if body:
                self._body(path, content[start:], fault)
            return None

        def _start(self, headers: dict[str, str], tag: str) -> int:
            asked = headers.get("range", "")
            if not asked or headers.get("if-range", tag) != tag:
                return 0
            return int(asked.removeprefix("bytes=").split("-")[0])

        def _head(self, status: int, length: int | None, extra: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in (server.headers | extra).items():
                self.send_header(name, value)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()

        def _body(self, path: str, content: bytes, fault: Fault | None) -> None:
            match fault:
                case Drop(after=most) | Hang(after=most) | NoRanges(drop_after=int(most)):
                    content = content[:most]
            if isinstance(fault, Trickle):
                for byte in content:
                    if server.closing.wait(fault.seconds) or not self._send(path, bytes([byte])):
                        break
            else:
                self._send(path, content)
            if isinstance(fault, Hang):
                server.closing.wait()
            if isinstance(fault, Drop | Hang | NoLength) or fault == NoRanges(len(content)):
                self.close_connection = True

        def _endless(self, path: str) -> None:
            self._head(200, None, {"Connection": "close"})
            while not server.closing.is_set() and self._send(path, bytes(1 << 16)):
                pass
            self.close_connection = True

        def _send(self, path: str, content: bytes) -> bool:
            """Whether the client was still there."""
            # Counted first: a client that has the last byte may look at the count at once.
            server.sent[path] = server.sent.get(path, 0) + len(content)
            try:
                self.wfile.write(content)
                self.wfile.flush()
            except OSError:
                server.sent[path] -= len(content)
                self.close_connection = True
                return False
            return True

    return Handler
