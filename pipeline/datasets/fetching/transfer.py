"""Bring one file over HTTP: go on where it stopped, try again, give up in good time."""

from __future__ import annotations

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
"""Of a file whose size is not stated."""
PROGRESS = 1 << 20
"""Bytes that must arrive for a dropped connection not to count as one more failure."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses worth asking again."""


@dataclass(frozen=True)
class Patience:
    connect: float = 15.0
    read: float = 60.0
    """Seconds without a byte until a connection counts as dead."""
    attempts: int = 6
    """Failures in a row until a source is given up; two where it never answered at all."""
    pause: float = 1.0
    """Seconds before the second attempt; doubles from one to the next."""
    longest_pause: float = 60.0
    least_rate: float = 1024.0
    """Bytes per second; a connection that is slower over ``window`` seconds counts as dead."""
    window: float = 60.0


PATIENCE = Patience()


class TransferError(Exception):
    """This source does not give the file; another one may."""


_gave_up: set[str] = set()
"""Hosts that a transfer of this process gave up on; the next file asks them only once."""


class _PassingError(Exception):
    """Worth another attempt, after ``pause`` seconds if the server asked for them."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


def transfer(
    url: str, part: Path, size: int | None, any_source: bool, patience: Patience = PATIENCE
) -> bool:
    """Bring ``url`` to the file ``part``, going on from the bytes it holds.

    Returns whether all bytes came in one answer; otherwise a server that lies about ranges may
    have sent some of them twice.

    ``any_source``: a digest is stated, so bytes from another source or an older copy may be gone
    on from; otherwise only bytes that the server vouches for by ETag or date (If-Range). A part
    of a source without byte ranges starts over. Raises TransferError when the source gives up or
    offers something else than ``size`` bytes (``part`` stays if it may still serve), UserError
    when the disk is too small. A redirect from https to http counts as a source that gives up.
    A host that failed with every attempt is asked only once for the next file.
    """
    if size is not None and _length(part) >= size:
        if _length(part) == size:
            return False
        discard(part)
    attempt = _Attempt(url, part, size, any_source, patience)
    timeout = httpx.Timeout(patience.read, connect=patience.connect)
    headers = {"Accept-Encoding": "identity", "User-Agent": "vdtransfer"}
    failures, most = 0, _length(part)
    host = httpx.URL(url).host
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
    """Make a hook that stops a client which is led from ``url``, if that is https, to http."""

    def hook(request: httpx.Request) -> None:
        if url.startswith("https:") and request.url.scheme != "https":
            raise TransferError(f"leads from https to {request.url.scheme}: {request.url}")

    return hook


class _Pace:
    """Ends a connection that brings fewer bytes over a window than patience asks for."""

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


class _Attempt:
    """One request after the other for the same file."""

    def __init__(
        self, url: str, part: Path, size: int | None, any_source: bool, patience: Patience
    ) -> None:
        self.url = url
        self.part = part
        self.size = size
        self.any_source = any_source
        self.patience = patience
        self.note = _note(part)
        self.ranges = True
        self.answered = False
        self.whole = False

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
        """The bytes to go on from, and the headers that ask for the rest."""
        have = _length(self.part)
        if not have or not self.ranges:
            return 0, {}
        headers = {"Range": f"bytes={have}-"}
        if self.any_source:
            return have, headers
        try:
            note = json.loads(self.note.read_text())
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
        write_json(self.note, {"url": self.url, "validator": _validator(response)})
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
    """Remove ``part`` and what was noted of it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _note(part: Path) -> Path:
    """Beside a part: where its bytes are from, and the validator that If-Range takes."""
    return part.with_name(part.name + ".json")


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _validator(response: httpx.Response) -> str | None:
    """What If-Range takes: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    tag = response.headers.get("ETag", "")
    if tag.startswith('"'):
        return tag
    return response.headers.get("Last-Modified")


def _start(response: httpx.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _total(response: httpx.Response) -> int | None:
    """The length of the whole file, as far as the server says it."""
    if "Content-Range" in response.headers:
        found = re.search(r"/(\d+)$", response.headers["Content-Range"])
    else:
        found = re.match(r"(\d+)$", response.headers.get("Content-Length", ""))
    return int(found[1]) if found else None


def _sentence(error: Exception) -> str:
    match error:
        case httpx.ConnectTimeout():
            kind = "no answer in time"
        case httpx.ReadTimeout():
            kind = "the server fell silent"
        case httpx.ConnectError():
            kind = "no connection"
        case _:
            return str(error)
    return f"{kind}: {error}" if str(error) else kind
