"""Fetch from the first source that has the right file, and keep what was verified."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import yaml

from pipeline.base.errors import UserError
from pipeline.datasets.fetching import hub
from pipeline.datasets.fetching.fetch import NotFetchedError, fetch, part_of
from pipeline.settings.dataset import ArchiveConfig
from tests.support.http_server import (
    Replace,
    Server,
    Status,
)
from tests.support.served_file import CONTENT, MD5, QUICK, SHA256, archive


def test_fetches_and_verifies(server: Server, raw: Path) -> None:
    asked = archive(f"{server.url}/a.bin", size=len(CONTENT), sha256=SHA256)
    path = fetch(asked, raw, QUICK)
    assert path == raw / "a.bin"
    assert path.read_bytes() == CONTENT
    assert sorted(p.name for p in raw.iterdir()) == ["a.bin", "digests.yaml"]


@pytest.mark.parametrize(
    "facts",
    [{"sha256": SHA256}, {"md5": MD5}, {"sha256": SHA256, "size": len(CONTENT)}],
)
def test_wrong_bytes_send_it_to_the_next_mirror(
    server: Server, raw: Path, facts: dict[str, object]
) -> None:
    server.faults["a.bin"] = [Replace(bytes(len(CONTENT)))]
    asked = archive(f"{server.url}/a.bin", f"{server.url}/mirror.bin", **facts)
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT


def test_wrong_bytes_everywhere_leave_nothing(server: Server, raw: Path) -> None:
    server.faults["a.bin"] = [Replace(b"wrong")]
    with pytest.raises(NotFetchedError, match=f"sha256 .* instead of {SHA256}"):
        fetch(archive(f"{server.url}/a.bin", sha256=SHA256), raw, QUICK)
    assert list(raw.iterdir()) == []


def test_no_network_says_where_to_get_it_and_where_to_put_it(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    asked = archive(
        "http://127.0.0.1:1/a.bin",
        "hf://datasets/someone/some@abc/data/a.bin",
        size=5,
        sha256=SHA256,
    )
    with pytest.raises(NotFetchedError) as caught:
        fetch(asked, raw, QUICK)
    message = str(caught.value)
    assert f"put it at {raw / 'a.bin'}\n    (5 bytes, sha256 {SHA256})" in message
    assert "get it from http://127.0.0.1:1/a.bin\n        (tried: no connection" in message
    assert "https://huggingface.co/datasets/someone/some/resolve/abc/data/a.bin" in message


FETCH_FROM_HUB = """
import sys
from pathlib import Path
from pipeline.settings.dataset import ArchiveConfig
from pipeline.datasets.fetching.fetch import NotFetchedError, fetch
for url in sys.argv[2:]:
    try:
        print(fetch(ArchiveConfig(file=url[-5:], urls=[url]), Path(sys.argv[1])))
    except NotFetchedError as error:
        print(error)
"""


def test_fetches_data_sets_and_models_from_the_hub(server: Server, raw: Path) -> None:
    server.headers["X-Repo-Commit"] = "a" * 40  # with this the server speaks as the hub does
    for name in ("datasets/one/set/resolve/abc/data/a.bin", "one/net/resolve/main/b.bin"):
        (server.folder / name).parent.mkdir(parents=True)
        (server.folder / name).write_bytes(CONTENT)
    urls = ("datasets/one/set@abc/c.bin", "datasets/one/set@abc/data/a.bin", "one/net/b.bin")
    printed = subprocess.run(
        [sys.executable, "-c", FETCH_FROM_HUB, raw, *(f"hf://{url}" for url in urls)],
        env=os.environ | {"HF_ENDPOINT": server.url},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "get it from https://huggingface.co/datasets/one/set/resolve/abc/c.bin" in printed
    assert printed.splitlines()[-2:] == [str(raw / "a.bin"), str(raw / "b.bin")]
    assert (raw / "a.bin").read_bytes() == (raw / "b.bin").read_bytes() == CONTENT
    files = sorted(path.name for path in raw.iterdir() if path.is_file())
    assert files == ["a.bin", "b.bin", "digests.yaml"]


def test_a_hub_that_is_down_is_asked_once_for_each_further_file(
    server: Server, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr(hub, "_gave_up", {server.url})
    path = "datasets/one/set/resolve/main/a.bin"
    server.faults[path] = [Status(503)]
    with pytest.raises(NotFetchedError, match="still answers HTTP 503"):
        fetch(archive("hf://datasets/one/set/a.bin"), raw, QUICK)
    assert [request.path for request in server.requests if request.path] == [path]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/a", "hf://datasets/x/y", "nonsense"]
)
def test_other_kinds_of_addresses_are_refused(raw: Path, url: str) -> None:
    with pytest.raises(NotFetchedError, match="tried"):
        fetch(archive(url), raw, QUICK)


def test_a_file_placed_by_hand_is_taken_without_a_network(raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "a.bin").write_bytes(CONTENT)
    asked = archive("http://127.0.0.1:1/a.bin", size=len(CONTENT), md5=MD5)
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT


def test_another_wrapping_of_the_same_content_is_taken(raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "a.bin").write_bytes(CONTENT)
    asked = archive(size=3, md5="0" * 32, other_sha256=[SHA256])
    assert fetch(asked, raw, QUICK).exists()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"sha256": "0" * 64}, f"sha256 {SHA256} instead of 000"),
        ({"md5": "0" * 32}, f"md5 {MD5} instead of 000"),
        ({"size": 7, "sha256": SHA256}, "1,024,000 bytes instead of 7"),
        ({"md5": "0" * 32, "other_sha256": ["0" * 64]}, f"md5 {MD5} instead of 000"),
    ],
)
def test_a_wrong_file_placed_by_hand_is_named_and_left_alone(
    raw: Path, facts: dict[str, object], reason: str
) -> None:
    raw.mkdir(parents=True)
    (raw / "a.bin").write_bytes(CONTENT)
    with pytest.raises(UserError, match=reason) as caught:
        fetch(archive("http://127.0.0.1:1/a.bin", **facts), raw, QUICK)
    assert str(raw / "a.bin") in str(caught.value)
    assert (raw / "a.bin").read_bytes() == CONTENT


def test_a_verified_file_is_not_fetched_or_read_again(
    server: Server, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = archive(f"{server.url}/a.bin", sha256=SHA256)
    fetch(asked, raw, QUICK)
    monkeypatch.setattr(
        "pipeline.datasets.fetching.digests._read", lambda *_: pytest.fail("read again")
    )
    fetch(asked, raw, QUICK)
    assert len(server.requests) == 1


def test_a_changed_file_is_read_again_and_refused(server: Server, raw: Path) -> None:
    asked = archive(f"{server.url}/a.bin", sha256=SHA256)
    path = fetch(asked, raw, QUICK)
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(UserError, match="is not the file it should be"):
        fetch(asked, raw, QUICK)


def test_an_unstated_digest_is_recorded_and_must_hold(server: Server, raw: Path) -> None:
    asked = archive(f"{server.url}/a.bin")
    path = fetch(asked, raw, QUICK)
    assert yaml.safe_load((raw / "digests.yaml").read_text()) == {
        "a.bin": {"size": len(CONTENT), "sha256": SHA256}
    }
    path.unlink()
    (server.folder / "a.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(NotFetchedError, match=f"instead of {SHA256} .first seen"):
        fetch(asked, raw, QUICK)


def test_the_record_is_the_same_on_every_machine(server: Server, tmp_path: Path) -> None:
    asked = archive(f"{server.url}/a.bin")
    for name in ("one", "two"):
        fetch(asked, tmp_path / name / "d", QUICK)
    one, two = ((tmp_path / name / "d" / "digests.yaml").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_spoilt_memory_costs_only_another_reading(server: Server, raw: Path) -> None:
    asked = archive(f"{server.url}/a.bin", sha256=SHA256)
    fetch(asked, raw, QUICK)
    (raw.parent / ".flowers.verified.yaml").write_text("[1, 2")
    assert fetch(asked, raw, QUICK).exists()


def test_too_small_a_disk_is_said_before_a_byte_comes(
    server: Server, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(UserError, match=r"not enough disk: .* are still to come"):
        fetch(archive(f"{server.url}/a.bin"), raw, QUICK)
    assert not part_of(raw / "a.bin").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_disk_that_fills_up_is_said(server: Server, raw: Path) -> None:
    raw.mkdir(parents=True)
    part_of(raw / "a.bin").symlink_to("/dev/full")
    with pytest.raises(UserError, match=f"the disk of {raw} is full. Make room"):
        fetch(archive(f"{server.url}/a.bin"), raw, QUICK)


def test_a_name_that_is_no_file_name_is_refused() -> None:
    with pytest.raises(ValueError, match="file"):
        ArchiveConfig(file="../../etc/passwd")
