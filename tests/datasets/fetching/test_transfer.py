"""Download from a real server that misbehaves: resume, retry, give up."""

import hashlib
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.fetching import transfer as transfer_module
from pipeline.datasets.fetching.fetch import NotFetchedError, fetch, part_of
from pipeline.datasets.fetching.transfer import Patience, TransferError
from pipeline.settings.dataset import ArchiveConfig
from tests.support.http_server import (
    Drop,
    Endless,
    Hang,
    NoLength,
    NoRanges,
    OtherRange,
    Redirect,
    Replace,
    Server,
    Status,
    Trickle,
)
from tests.support.served_file import CONTENT, QUICK, SHA256, archive, ranges
from tests.support.waiting import until


def test_a_trickle_counts_as_dead_and_the_next_source_serves(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Trickle(0.02)] * 2
    slow = Patience(attempts=2, pause=0.001, least_rate=1000, window=0.2)
    addresses = (f"{server.url}/a.bin", f"{server.url}/mirror.bin")
    assert fetch(archive(*addresses, sha256=SHA256), raw, slow).read_bytes() == CONTENT
    assert len(ranges(server)) == 2
    assert ranges(server, "mirror.bin") != []


def test_a_slow_connection_that_is_fast_enough_is_kept(
    server: Server, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that each look at it moves on: at least 10 bytes a second, in windows of 5 s."""
    ticks = count()
    monkeypatch.setattr(
        transfer_module, "time", SimpleNamespace(monotonic=lambda: 0.1 * next(ticks))
    )
    (server.folder / "a.bin").write_bytes(CONTENT[:300])
    server.faults["a.bin"] = [Trickle(0.001)]
    slow = Patience(attempts=1, least_rate=5, window=5)
    assert fetch(archive(f"{server.url}/a.bin"), raw, slow).read_bytes() == CONTENT[:300]
    assert len(ranges(server)) == 1


def test_a_range_that_lies_is_noticed_and_mended(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Drop(after=1000), OtherRange(shift=7)]
    fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, QUICK)
    assert (raw / "a.bin").read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=1000-", None]


def test_https_is_never_left_for_http() -> None:
    hook = transfer_module._refuse_step_down("https://a.org/x")
    hook(httpx.Request("GET", "https://b.org/x"))
    with pytest.raises(TransferError, match=r"from https to http: http://b\.org/x"):
        hook(httpx.Request("GET", "http://b.org/x"))
    transfer_module._refuse_step_down("http://a.org/x")(httpx.Request("GET", "http://b.org/x"))


def test_a_host_that_is_down_is_waited_for_once(server: Server, raw: Path) -> None:
    names = [f"{n}.bin" for n in range(4)]
    for name in names:
        server.faults[name] = [Status(503)] * 10
        asked = ArchiveConfig(file=name, urls=[f"{server.url}/{name}"])
        with pytest.raises(NotFetchedError, match="HTTP 503"):
            fetch(asked, raw, QUICK)
    assert [len(ranges(server, name)) for name in names] == [4, 1, 1, 1]
    assert fetch(archive(f"{server.url}/a.bin"), raw, QUICK).read_bytes() == CONTENT


def test_goes_on_after_dropped_connections(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Drop(after=300_000), Drop(after=200_000)]
    fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, QUICK)
    assert ranges(server) == [None, "bytes=300000-", "bytes=500000-"]
    assert server.sent["a.bin"] == len(CONTENT)  # not a byte twice


@settings(max_examples=15)
@given(
    size=st.integers(1, 50_000),
    drops=st.lists(st.integers(0, 20_000), max_size=5),
    stated=st.booleans(),
)
def test_wherever_it_breaks_no_byte_comes_twice(
    tmp_path_factory: pytest.TempPathFactory, size: int, drops: list[int], stated: bool
) -> None:
    folder = tmp_path_factory.mktemp("breaks")
    content = CONTENT[:size]
    (folder / "a.bin").write_bytes(content)
    patience = Patience(attempts=7, pause=0.0)
    with Server(folder) as server:
        server.faults["a.bin"] = [Drop(after=drop) for drop in drops]
        facts = {"sha256": hashlib.sha256(content).hexdigest()} if stated else {}
        path = fetch(archive(f"{server.url}/a.bin", **facts), folder / "raw", patience)
        assert path.read_bytes() == content
        assert server.sent["a.bin"] == size


def test_goes_on_in_a_later_run(server: Server, raw: Path) -> None:
    asked = archive(f"{server.url}/a.bin", sha256=SHA256)
    server.faults["a.bin"] = [Drop(after=400_000), *[Status(503)] * 3]
    with pytest.raises(NotFetchedError, match="HTTP 503"):
        fetch(asked, raw, QUICK)
    assert not (raw / "a.bin").exists()
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT
    assert ranges(server)[-1] == "bytes=400000-"
    assert server.sent["a.bin"] == len(CONTENT)


def test_goes_on_at_a_mirror(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Drop(after=400_000), Status(404)]
    asked = archive(f"{server.url}/a.bin", f"{server.url}/mirror.bin", sha256=SHA256)
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT
    assert ranges(server, "mirror.bin") == ["bytes=400000-"]


def test_goes_on_without_a_stated_digest_only_with_the_servers_word(
    server: Server, raw: Path
) -> None:
    server.faults["a.bin"] = [Drop(after=400_000)]
    assert fetch(archive(f"{server.url}/a.bin"), raw, QUICK).read_bytes() == CONTENT
    last = server.requests[-1]
    assert (last.range, last.headers["if-range"]) == ("bytes=400000-", f'"{SHA256}"')


def test_starts_over_where_the_file_changed_in_between(server: Server, raw: Path) -> None:
    old = bytes(len(CONTENT))
    (server.folder / "a.bin").write_bytes(old)
    server.faults["a.bin"] = [Drop(after=400_000), Replace(CONTENT)]
    path = fetch(archive(f"{server.url}/a.bin"), raw, QUICK)
    assert path.read_bytes() == CONTENT


def test_a_part_from_elsewhere_is_not_mixed_in_without_a_digest(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Drop(after=400_000), *[Status(503)] * 3]
    (server.folder / "mirror.bin").write_bytes(CONTENT[::-1])
    asked = archive(f"{server.url}/a.bin", f"{server.url}/mirror.bin")
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT[::-1]
    assert ranges(server, "mirror.bin") == [None]


def test_a_rotten_part_is_dropped_and_fetched_again(server: Server, raw: Path) -> None:
    raw.mkdir(parents=True)
    part_of(raw / "a.bin").write_bytes(bytes(400_000))
    asked = archive(f"{server.url}/a.bin", sha256=SHA256)
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=400000-", None]


def test_a_complete_part_needs_no_more_bytes(server: Server, raw: Path) -> None:
    raw.mkdir(parents=True)
    part_of(raw / "a.bin").write_bytes(CONTENT)
    fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, QUICK)
    assert server.sent.get("a.bin", 0) == 0


def test_a_part_longer_than_the_file_is_dropped(server: Server, raw: Path) -> None:
    raw.mkdir(parents=True)
    part_of(raw / "a.bin").write_bytes(CONTENT + b"x")
    assert fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, QUICK).exists()


def test_server_without_ranges_starts_over_and_ends_well(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [NoRanges(drop_after=500_000), NoRanges()]
    asked = archive(f"{server.url}/a.bin", sha256=SHA256)
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize("code", [429, 500, 503])
def test_passing_trouble_is_waited_out(server: Server, raw: Path, code: int) -> None:
    server.faults["a.bin"] = [Status(code), Status(code, (("Retry-After", "0"),))]
    assert fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, QUICK).exists()
    assert len(server.requests) == 3


def test_pauses_double_and_obey_the_server(
    server: Server, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append)
    monkeypatch.setattr(transfer_module, "time", clock)
    server.faults["a.bin"] = [Status(503), Status(503), Status(503, (("Retry-After", "7"),))]
    fetch(archive(f"{server.url}/a.bin"), raw, Patience())
    assert pauses == [1.0, 2.0, 7.0]


def test_a_silent_server_is_left_and_the_rest_taken_later(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Hang(after=300_000), Hang(after=0)]
    impatient = Patience(read=2, attempts=4, pause=0.001)
    assert fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, impatient).exists()
    assert ranges(server) == [None, "bytes=300000-", "bytes=300000-"]


def test_follows_redirects_and_goes_on_behind_them(server: Server, raw: Path) -> None:
    to = Redirect(f"{server.url}/mirror.bin")
    server.faults["a.bin"] = [to, to]
    server.faults["mirror.bin"] = [Drop(after=300_000)]
    assert fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, QUICK).exists()
    assert ranges(server, "mirror.bin") == [None, "bytes=300000-"]


def test_a_circle_of_redirects_ends(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Redirect(f"{server.url}/a.bin")] * 50
    with pytest.raises(NotFetchedError, match="redirect"):
        fetch(archive(f"{server.url}/a.bin"), raw, QUICK)


def test_a_web_page_is_not_taken_for_the_file(server: Server, raw: Path) -> None:
    page = Replace(b"<html>sign in</html>", (("Content-Type", "text/html; charset=utf-8"),))
    server.faults["a.bin"] = [page]
    with pytest.raises(NotFetchedError, match="a web page"):
        fetch(archive(f"{server.url}/a.bin"), raw, QUICK)


def test_another_length_than_stated_is_refused_at_once(server: Server, raw: Path) -> None:
    asked = archive(f"{server.url}/a.bin", size=len(CONTENT) - 1)
    with pytest.raises(NotFetchedError, match="offers 1,024,000 bytes instead of 1,023,999"):
        fetch(asked, raw, QUICK)


FETCH = """
import sys
from pathlib import Path
from pipeline.settings.dataset import ArchiveConfig
from pipeline.datasets.fetching.fetch import fetch
fetch(ArchiveConfig(file="a.bin", urls=[sys.argv[1]]), Path(sys.argv[2]))
"""


def test_goes_on_after_a_kill(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Hang(after=500_000)]
    url = f"{server.url}/a.bin"
    with subprocess.Popen([sys.executable, "-c", FETCH, url, raw]) as process:
        part = part_of(raw / "a.bin")
        until(lambda: process.poll() is not None or (part.exists() and part.stat().st_size))
        process.kill()
    kept = part.stat().st_size
    assert 0 < kept <= 500_000
    assert not (raw / "a.bin").exists()
    assert fetch(archive(url), raw, QUICK).read_bytes() == CONTENT
    assert ranges(server) == [None, f"bytes={kept}-"]


def test_no_length_announced(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [NoLength()]
    asked = archive(f"{server.url}/a.bin", sha256=SHA256)
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT


def test_no_length_size_or_digest_is_refused(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [NoLength()]
    with pytest.raises(NotFetchedError, match="half a file would pass"):
        fetch(archive(f"{server.url}/a.bin"), raw, QUICK)


@pytest.mark.parametrize("facts", [{"size": 1000}, {"sha256": SHA256}])
def test_an_endless_file_is_cut_off(
    server: Server, raw: Path, facts: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_module, "MOST_BYTES", 3_000_000)
    server.faults["a.bin"] = [Endless()]
    with pytest.raises(NotFetchedError, match="sends more than"):
        fetch(archive(f"{server.url}/a.bin", **facts), raw, QUICK)
    assert sum(p.stat().st_size for p in raw.iterdir()) < 1000
