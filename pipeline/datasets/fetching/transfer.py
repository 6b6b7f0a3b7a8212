"""Download one file over HTTP: resume where it stopped, retry, and give up in good time."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.base.disk import full_disk_explained, require_room
from pipeline.base.files import write_json
from pipeline.base.progress import bytes_bar

MOST_BYTES = 64 * 2**30
"""Largest file that is accepted if its size is not stated."""
PROGRESS = 1 << 20
"""Once this many bytes have arrived, a dropped connection does not count as one more failure."""
_KINDS: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "no answer in time",
    httpx.ReadTimeout: "the server fell silent",
    httpx.ConnectError: "no connection",
}
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""HTTP statuses after which the request is tried again."""


@dataclass(frozen=True)
class Patience:
    connect: float = 15.0
    read: float = 60.0
    """Seconds without a byte until a connection counts as dead."""
    attempts: int = 6
    """Failures in a row after which a source is given up; two if it never answered."""
    pause: float = 1.0
    """Seconds before the second attempt; doubled before each further one."""
    longest_pause: float = 60.0
    least_rate: float = 1024.0
    """Bytes per second; a connection that is slower over ``window`` seconds counts as dead."""
    window: float = 60.0


PATIENCE = Patience()


class TransferError(Exception):
    """This source does not provide the file; another one may."""


_gave_up: set[bytes] = set()
"""Hosts, with their ports, on which a transfer of this process gave up; they are asked only once
for the next file."""


class _PassingError(Exception):
    """A failure worth another attempt, after ``pause`` seconds if the server asked for a pause."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


def transfer(
    url: str, part: Path, size: int | None, any_source: bool, patience: Patience = PATIENCE
) -> bool:
    """Download ``url`` to the file ``part``, continuing after the bytes it already holds.

    Returns whether all bytes came in one response. Otherwise a server that states wrong ranges may
    have sent some bytes twice.

    ``any_source`` means that a digest is stated: then bytes of another source or of an older copy
    may be continued. Otherwise only bytes that the server confirms by ETag or date (If-Range) are.
    Without byte ranges the download starts over. Raises TransferError when the source fails, when
    it redirects from https to http, or when it offers another number of bytes than ``size``
    (``part`` is kept if it may still be useful). Raises UserError when the disk is too small. A
    host that failed with every attempt is asked only once for the next file.
    """
    if size is not None and _length(part) >= size:
        if _length(part) == size:
            return False
        discard(part)
    attempt = _Attempt(url, part, size, any_source, patience)
    timeout = httpx.Timeout(patience.read, connect=patience.connect)
    headers = {"Accept-Encoding": "identity", "User-Agent": "vdtransfer"}
    failures, most = 0, _length(part)
    host = httpx.URL(url).netloc
    attempts = 1 if host in _gave_up else patience.attempts
    with httpx.Client(
        timeout=timeout,
        headers=headers,
        follow_redirects=True,
        event_hooks={"request": [_refuse_step_down(url)]},
    ) as client:
        while True:
            try:
                attempt.run(client)
                _gave_up.discard(host)
                return attempt.whole
            except (_PassingError, httpx.TimeoutException, httpx.TransportError) as error:
                if isinstance(error, httpx.UnsupportedProtocol):
                    raise TransferError(str(error)) from error
                reached = _length(part)
                failures = 1 if reached >= most + PROGRESS else failures + 1
                most = max(most, reached)
                if failures >= (attempts if attempt.answered else min(2, attempts)):
                    _gave_up.add(host)
                    raise TransferError(_sentence(error)) from error
                asked = getattr(error, "pause", None)
                pause = patience.pause * 2 ** (failures - 1) if asked is None else asked
                time.sleep(min(pause, patience.longest_pause))
            except (httpx.RequestError, httpx.InvalidURL) as error:
                raise TransferError(_sentence(error)) from error


def _refuse_step_down(url: str) -> Callable[[httpx.Request], None]:
    """Return a request hook that refuses a redirect from https to http; ``url`` is the start."""

    def hook(request: httpx.Request) -> None:
        if url.startswith("https:") and request.url.scheme != "https":
            raise TransferError(f"leads from https to {request.url.scheme}: {request.url}")

    return hook


class _Pace:
    """Watches the speed of a connection, and ends one that is slower than ``patience`` allows."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.since, self.received = time.monotonic(), 0

    def add(self, received: int) -> None:
        """Count bytes. Raises _PassingError at the end of a window that was too slow."""
        self.received += received
        seconds = time.monotonic() - self.since
        if seconds < self.patience.window:
            return
        if self.received < self.patience.least_rate * seconds:
            raise _PassingError(
                f"too slow: {self.received:,} bytes in {seconds:.0f} s, less than "
                f"{self.patience.least_rate:,.0f} a second"
            )
        self.since, self.received = time.monotonic(), 0


@dataclass
class _Attempt:
    """The requests for one file, made one after the other."""

    url: str
    part: Path
    size: int | None
    any_source: bool
    patience: Patience
    ranges: bool = True
    """Whether the server sends the byte ranges that it is asked for."""
    answered: bool = False
    whole: bool = False
    """Whether all bytes came in one response."""

    def run(self, client: httpx.Client) -> None:
        have, headers = self._resumption()
        with client.stream("GET", self.url, headers=headers) as response:
            self.answered = True
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if _total(response) == have:
                    return
                discard(self.part)
                raise _PassingError("the server has no such byte range")
            self._check(response)
            if response.status_code != httpx.codes.PARTIAL_CONTENT:
                have = 0
            elif _start(response) != have:
                self.ranges = False
                raise _PassingError("the server sent another byte range than asked for")
            self.whole = have == 0
            self._receive(response, have)

    def _resumption(self) -> tuple[int, dict[str, str]]:
        """Return the number of bytes already there, and the headers that ask for the rest."""
        have = _length(self.part)
        if not have or not self.ranges:
            return 0, {}
        headers = {"Range": f"bytes={have}-"}
        if self.any_source:
            return have, headers
        try:
            note = json.loads(_note(self.part).read_text())
            validator = note["validator"] if note["url"] == self.url else None
        except (OSError, ValueError, KeyError, TypeError):
            validator = None
        return (have, headers | {"If-Range": validator}) if validator else (0, {})

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in PASSING:
            asked = response.headers.get("Retry-After", "")
            raise _PassingError(f"HTTP {status}", float(asked) if asked.isdecimal() else None)
        if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise TransferError(f"HTTP {status} {response.reason_phrase}".strip())
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise TransferError("a web page instead of the file")

    def _receive(self, response: httpx.Response, have: int) -> None:
        total = _total(response)
        if self.size is not None and total not in (None, self.size):
            raise TransferError(f"offers {total:,} bytes instead of {self.size:,}")
        total = self.size if total is None else total
        chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if total is None and not chunked and not self.any_source:
            raise TransferError("no length, size or digest is stated: half a file would pass")
        most = MOST_BYTES if total is None else total
        if most > MOST_BYTES and self.size is None:
            raise TransferError(f"offers {most:,} bytes; without a stated size {MOST_BYTES:,} go")
        if total is not None:
            require_room(self.part.parent, total - have)
        write_json(_note(self.part), {"url": self.url, "validator": _validator(response)})
        with (
            full_disk_explained(self.part.parent),
            self.part.open("ab" if have else "wb") as target,
            bytes_bar(self.part.stem, total, initial=have) as bar,
        ):
            pace = _Pace(self.patience)
            for chunk in response.iter_raw():
                pace.add(len(chunk))
                have += len(chunk)
                if have > most:
                    discard(self.part)
                    raise TransferError(f"sends more than {most:,} bytes")
                target.write(chunk)
                bar.update(len(chunk))
        if total is not None and have < total:
            raise _PassingError(f"the connection closed after {have:,} of {total:,} bytes")


def discard(part: Path) -> None:
    """Remove ``part`` and the note beside it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _note(part: Path) -> Path:
    """Return the file beside ``part`` that records its source and its validator for If-Range."""
    return part.with_name(part.name + ".json")


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _validator(response: httpx.Response) -> str | None:
    """Return the value for If-Range: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    tag = response.headers.get("ETag", "")
    if tag.startswith('"'):
        return tag
    return response.headers.get("Last-Modified")


def _start(response: httpx.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _total(response: httpx.Response) -> int | None:
    """Return the length of the whole file, or None if the server does not state it."""
    if "Content-Range" in response.headers:
        match = re.search(r"/(\d+)$", response.headers["Content-Range"])
    else:
        match = re.match(r"(\d+)$", response.headers.get("Content-Length", ""))
    return int(match[1]) if match else None


def _sentence(error: Exception) -> str:
    return ": ".join(filter(None, [_KINDS.get(type(error)), str(error)]))
